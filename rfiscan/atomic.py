"""Files that appear whole or not at all, whatever interrupts the writing."""

from __future__ import annotations

import errno
import os
import uuid
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rfiscan.errors import OutputError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PART_SUFFIX = ".part"

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows knows no quotas


@contextmanager
def atomic_path(final: Path, *, shared: bool = False) -> Iterator[Path]:
    """Give a path to write to that takes the place of the final one once the block ends well.

    The path lies in the final one's folder, which is created where it is missing, and ends in ``.part``. At the end
    the file is synced to the disk and renamed. On any exception, Ctrl-C included, it is removed, and an older final
    file stays as it was. What a killed run left behind is overwritten.

    Args:
        final: Path of the file to be.
        shared: True where other processes may write the same file at the same time; the last one to end wins.

    Yields:
        Path to write to; no file lies there yet.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk or the quota is full.
    """
    own = f".{uuid.uuid4().hex}" if shared else ""
    part = final.with_name(f"{final.name}{own}{PART_SUFFIX}")
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        try:
            yield part
            _sync(part, os.O_RDWR)
            part.replace(final)
        except BaseException:
            with suppress(OSError):  # the first error is the one to tell
                part.unlink(missing_ok=True)
            raise
        _sync_folder(final.parent)
    except OSError as error:
        raise _output_error(final, error) from error


def write_atomically(final: Path, content: bytes | memoryview, *, shared: bool = False) -> None:
    """Write bytes to a file that appears whole or not at all.

    Args:
        final: Path of the file to be.
        content: Its content.
        shared: True where other processes may write the same file at the same time; the last one to end wins.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk or the quota is full.
    """
    with atomic_path(final, shared=shared) as part, part.open("wb") as file:
        file.write(content)


def remove_earlier(path: Path) -> None:
    """Remove a file of an earlier run, if there is one.

    Raises:
        OutputError: If it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _output_error(path, error) from error


def _output_error(final: Path, error: OSError) -> OutputError | ResourceError:
    """The error to show for what the system said."""
    if error.errno in _DISK_FULL:
        return ResourceError(
            f"cannot write {final}: no space left on the disk",
            hint="Free some space, or choose another output folder.",
        )
    reason = error.strerror or str(error)
    return OutputError(f"cannot write {final}: {reason}", hint="Choose an output folder that you may write to.")


def _sync(path: Path, flags: int) -> None:
    """Wait until the disk holds what was written."""
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the rename last too, where the system can sync a folder; the file is whole either way."""
    with suppress(OSError):
        _sync(folder, os.O_RDONLY)
