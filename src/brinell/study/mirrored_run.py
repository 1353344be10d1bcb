"""A run whose finished files are copied to a URL while it computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

from brinell.core import StoreError
from brinell.store import Mirror, RunStore, places_of_task
from brinell.study.tasks import TaskResult

_UPLOADS: Final = 4
"""Files that are copied at once."""


@contextmanager
def mirrored_run(store: RunStore, url: str | None) -> Iterator[Callable[[object], None]]:
    """Begin with what is at `url`, and copy there what is finished meanwhile.

    What cannot be copied at once is tried again at the end, when every file is compared.

    Args:
        store: The run, whose lock the caller holds.
        url: Where the copy is; `None` for nowhere.

    Yields:
        An observer of the run's events, to be called with each.

    Raises:
        StoreError: the copy cannot be read or, after all was computed, not written. The run's folder has everything.
    """
    if url is None:
        yield lambda event: None
        return
    mirror = Mirror(url)
    mirror.pull(store.root)
    with ThreadPoolExecutor(_UPLOADS) as uploads:
        pending: set[Future[None]] = set()

        def observe(event: object) -> None:
            if isinstance(event, TaskResult):
                places = [place for name in (event.task.id, *event.task.records) for place in places_of_task(name)]
                future = uploads.submit(mirror.push, store.root, set(places))
                pending.add(future)
                future.add_done_callback(pending.discard)

        try:
            yield observe
        except BaseException:
            uploads.shutdown(cancel_futures=True)
            with suppress(StoreError):  # what ended the run is what the user must hear of
                mirror.synchronize(store.root)
            raise
    mirror.synchronize(store.root)
