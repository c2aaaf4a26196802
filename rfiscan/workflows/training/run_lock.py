"""One run folder, one training: a second one would write over the states of the first, or go on from an older one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rfiscan.errors import OutputError
from rfiscan.workflows.training.world import World

LOCK_NAME = ".lock"


@contextmanager
def locked_run(run_dir: Path, world: World) -> Iterator[None]:
    """Keep other trainings out of a run's folder, which exists; processes that train together count as one.

    A process that is killed loses its lock, but on file systems that have none: there a file stands for it.

    Args:
        run_dir: Folder of the run.
        world: The processes of this training.

    Raises:
        OutputError: If another training is at work in it, or it cannot be locked.
    """
    lock = FileLock(run_dir / LOCK_NAME, timeout=0)
    world.by_writer(lambda: _acquire(lock, run_dir))
    try:
        yield
    finally:
        lock.release()  # does nothing where it is not held


def _acquire(lock: FileLock, run_dir: Path) -> None:
    try:
        lock.acquire()
    except Timeout as error:
        raise OutputError(
            f"another training is at work in {run_dir}",
            hint="Wait until it has ended: a run that was told to stop first writes its state. If there is none, "
            f"delete {run_dir / LOCK_NAME}.",
        ) from error
    except OSError as error:
        raise OutputError(f"cannot lock {run_dir / LOCK_NAME}: {error.strerror}") from error
