from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pytest

from brinell.core.interruption import keep_interrupts


def interrupt() -> None:
    """What Ctrl-C calls; no signal is sent, which could end the process that runs the tests."""
    handler = signal.getsignal(signal.SIGINT)
    assert callable(handler)
    handler(signal.SIGINT, None)


def interrupt_where_it_is_lost() -> None:
    """As in a destructor, whose exceptions Python drops."""
    with suppress(KeyboardInterrupt):
        interrupt()


def test_a_lost_interrupt_is_raised_at_the_next_check():
    with pytest.raises(KeyboardInterrupt), keep_interrupts() as raise_lost_interrupt:  # noqa: PT012
        raise_lost_interrupt()
        interrupt_where_it_is_lost()
        raise_lost_interrupt()
        pytest.fail("the interrupt was lost")


def test_a_lost_interrupt_is_raised_at_the_end_at_the_latest():
    with pytest.raises(KeyboardInterrupt), keep_interrupts():
        interrupt_where_it_is_lost()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_is_raised_at_once_elsewhere():
    with pytest.raises(KeyboardInterrupt), keep_interrupts():  # noqa: PT012
        interrupt()
        pytest.fail("nothing was raised")


def test_a_handler_of_the_programs_own_stays():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        with keep_interrupts() as raise_lost_interrupt:
            interrupt()
            raise_lost_interrupt()
    finally:
        signal.signal(signal.SIGINT, before)
    assert pressed == [True]


def test_another_thread_changes_nothing():
    seen = []

    def enter() -> None:
        with keep_interrupts() as raise_lost_interrupt:
            raise_lost_interrupt()
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
