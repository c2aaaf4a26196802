"""Work beside other work, in bounded queues: what is made ahead of its use, and what is done behind its making.

NumPy, GDAL and the runtimes of networks let other threads compute meanwhile. An error, or Ctrl-C, on either side ends
the threads: what is waiting is dropped, what is running is waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")

_END: Final = object()


def in_order(
    work: Callable[[Item], Made], items: Iterable[Item], *, threads: int, ahead: int, name: str
) -> Iterator[Made]:
    """Do the same work on many items in several threads, and give the results in the order of the items.

    Args:
        work: What is done with each item.
        items: The items.
        threads: Threads that work, >= 1.
        ahead: Results that are made, or being made, before they are asked for; >= 0.
        name: What the threads are called.

    Yields:
        The result of each item.
    """
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def read_ahead(items: Iterator[Made], ahead: int, name: str = "ahead") -> Generator[Made]:
    """Let a thread of its own make the next items while this one uses the last.

    Args:
        items: A generator; it is closed at the end.
        ahead: Items that are made before they are asked for, >= 1.
        name: What the thread is called.

    Yields:
        The items.
    """

    def make(_: int) -> Made | Any:  # noqa: ANN401 - or the end
        return next(items, _END)

    made = in_order(make, iter(int, 1), threads=1, ahead=ahead, name=name)
    try:
        for item in made:
            if item is _END:
                return
            yield item
    finally:
        made.close()  # type: ignore[attr-defined] # a generator; the thread has ended after this
        if hasattr(items, "close"):
            items.close()


class Behind:
    """Does work in one other thread, in order; at most so many pieces of it wait."""

    def __init__(self, pool: ThreadPoolExecutor, most: int) -> None:
        """Begin with nothing to do.

        Args:
            pool: One thread.
            most: Pieces of work that may wait, >= 1.
        """
        self._pool, self._most = pool, most
        self._waiting: deque[Future[None]] = deque()

    def do(self, work: Callable[..., None], *arguments: Any) -> None:  # noqa: ANN401 - whatever the work takes
        """Hand over a piece of work; waits while too many are waiting, and raises what an earlier one raised."""
        while self._waiting and (len(self._waiting) >= self._most or self._waiting[0].done()):
            self._waiting.popleft().result()
        self._waiting.append(self._pool.submit(work, *arguments))

    def finish(self) -> None:
        """Wait until all is done.

        Raises:
            Exception: What a piece of work raised.
        """
        while self._waiting:
            self._waiting.popleft().result()


@contextmanager
def behind(most: int, name: str) -> Iterator[Behind]:
    """Start a thread for work that goes on behind; at the end all of it is done, after an error what is running.

    Args:
        most: Pieces of work that may wait, >= 1.
        name: What the thread is called.

    Yields:
        What takes the work.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix=name) as pool:
        worker = Behind(pool, most)
        try:
            yield worker
            worker.finish()
        finally:
            pool.shutdown(cancel_futures=True)
