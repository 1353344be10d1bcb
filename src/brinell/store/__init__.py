"""The only package that knows paths: rows, arrays and bytes, written atomically, under one lock a run. No torch."""

from brinell.store.atomic import atomic_folder, atomic_path, write_bytes, write_text
from brinell.store.content_hash import FIELD as CONTENT_HASH_FIELD
from brinell.store.content_hash import UNFILLED as UNFILLED_CONTENT_HASH
from brinell.store.content_hash import content_hash_fits, with_content_hash
from brinell.store.copies.archive import restore_archive, write_archive
from brinell.store.copies.mirror import Mirror, mirrored, places_of_task
from brinell.store.copies.named_variants import name_variant, name_variants, named_variant
from brinell.store.lock import locked
from brinell.store.run import RunStore
from brinell.store.tables import frame_of_schema, read_footer, read_table, write_table
from brinell.store.task_status import Failure, Running

__all__ = [
    "CONTENT_HASH_FIELD",
    "UNFILLED_CONTENT_HASH",
    "Failure",
    "Mirror",
    "RunStore",
    "Running",
    "atomic_folder",
    "atomic_path",
    "content_hash_fits",
    "frame_of_schema",
    "locked",
    "mirrored",
    "name_variant",
    "name_variants",
    "named_variant",
    "places_of_task",
    "read_footer",
    "read_table",
    "restore_archive",
    "with_content_hash",
    "write_archive",
    "write_bytes",
    "write_table",
    "write_text",
]
