"""Values that every package shares: specs, keys, seeds, records, errors. No torch."""

from brinell.core.allocator import keep_freed_memory
from brinell.core.errors import (
    BrinellError,
    ConfigurationError,
    DataError,
    DivergenceError,
    ModelError,
    StoreError,
    UnsupportedError,
    require,
)
from brinell.core.html_table import html_table
from brinell.core.keys import block_name, content_key, file_digest
from brinell.core.problems import StrictModel, choices, explain, validation_error, validation_problem
from brinell.core.progress import Progress, duration, no_progress
from brinell.core.records import (
    ROW_SCHEMA,
    TRACE_SCHEMA,
    ZERO_GRADIENT_SHARE,
    Block,
    PlannedLimit,
    PlannedPaper,
    PlannedProbe,
    PlannedTrial,
    PlannedVariant,
    Point,
    StudyPlan,
    TriedVariant,
)
from brinell.core.regular_files import check_regular_file, open_regular_file, read_regular_file
from brinell.core.seeds import derive_seed
from brinell.core.spec import Fraction, NotInKey, OmitDefaultFromKey, Registry, Spec, parse_fraction
from brinell.core.zip_archives import check_deflated_archive, check_stored_archive

__all__ = [
    "ROW_SCHEMA",
    "TRACE_SCHEMA",
    "ZERO_GRADIENT_SHARE",
    "Block",
    "BrinellError",
    "ConfigurationError",
    "DataError",
    "DivergenceError",
    "Fraction",
    "ModelError",
    "NotInKey",
    "OmitDefaultFromKey",
    "PlannedLimit",
    "PlannedPaper",
    "PlannedProbe",
    "PlannedTrial",
    "PlannedVariant",
    "Point",
    "Progress",
    "Registry",
    "Spec",
    "StoreError",
    "StrictModel",
    "StudyPlan",
    "TriedVariant",
    "UnsupportedError",
    "block_name",
    "check_deflated_archive",
    "check_regular_file",
    "check_stored_archive",
    "choices",
    "content_key",
    "derive_seed",
    "duration",
    "explain",
    "file_digest",
    "html_table",
    "keep_freed_memory",
    "no_progress",
    "open_regular_file",
    "parse_fraction",
    "read_regular_file",
    "require",
    "validation_error",
    "validation_problem",
]
