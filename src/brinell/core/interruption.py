"""Ctrl-C that is never lost.

Python raises `KeyboardInterrupt` between any two instructions, so also in a weak reference's callback or in `__del__`
(every import runs such callbacks), where an exception is printed and dropped: the program goes on as if nobody had
pressed anything.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def keep_interrupts() -> Iterator[Callable[[], None]]:
    """Remember Ctrl-C for as long as the context lasts.

    In a thread other than the main one, or where the program handles Ctrl-C in a way of its own, nothing changes.

    Yields:
        A function that raises `KeyboardInterrupt` if one was raised before and lost; to be called now and then.

    Examples:
        >>> with keep_interrupts() as raise_lost_interrupt:
        ...     raise_lost_interrupt()
    """
    interrupted = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    def raise_lost_interrupt() -> None:
        if interrupted:
            raise KeyboardInterrupt

    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield raise_lost_interrupt
        return
    signal.signal(signal.SIGINT, interrupt)
    try:
        yield raise_lost_interrupt
        raise_lost_interrupt()
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
