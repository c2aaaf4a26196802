"""Signals by which batch systems tell a run to end, while there is time to leave things in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from rfiscan.errors import ResumableError

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]  # Windows lacks one


@contextmanager
def on_stop_signals(stop: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call a function at every stop signal, instead of ending the process.

    Outside the main thread, where Python delivers no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def answer(number: int, _frame: FrameType | None) -> None:
        stop(signal.Signals(number))

    earlier = {number: signal.signal(number, answer) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


@contextmanager
def ended_by_signals(hint: str) -> Iterator[None]:
    """Let a stop signal end what runs as Ctrl-C does: what is half done is removed.

    Only the first one does, for `timeout` sends two, and the second would find the run tidying up.

    Args:
        hint: How to go on.

    Raises:
        ResumableError: A stop signal came.
    """
    came: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        came.append(number)
        if len(came) == 1:
            raise KeyboardInterrupt  # which nothing takes for the failure of a scene

    try:
        with on_stop_signals(stop):
            yield
    except BaseException as error:
        if came:  # whatever became of it: a library that is being loaded makes an ImportError of it
            raise ResumableError(f"stopped by {came[0].name}", hint=hint) from error
        raise
