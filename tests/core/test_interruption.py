from __future__ import annotations

import signal
import threading

import pytest

from brinell.core.interruption import keep_interrupts


class _Lost:
    """Interrupts in a place whose exceptions Python drops."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_interrupt_is_raised_at_the_next_check():
    with pytest.raises(KeyboardInterrupt), keep_interrupts() as raise_lost_interrupt:  # noqa: PT012
        raise_lost_interrupt()
        _Lost()  # dropped here
        raise_lost_interrupt()
        pytest.fail("the interrupt was lost")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_lost_interrupt_is_raised_at_the_end_at_the_latest():
    with pytest.raises(KeyboardInterrupt), keep_interrupts():
        _Lost()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_is_raised_at_once_elsewhere():
    with pytest.raises(KeyboardInterrupt), keep_interrupts():  # noqa: PT012
        signal.raise_signal(signal.SIGINT)
        pytest.fail("nothing was raised")


def test_a_handler_of_the_programs_own_stays():
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        with keep_interrupts() as raise_lost_interrupt:
            signal.raise_signal(signal.SIGINT)
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
