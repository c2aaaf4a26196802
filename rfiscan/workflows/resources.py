"""Memory and disk: look before starting, say it plainly when they run out, report what was used."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from rfiscan.errors import ResourceError, RfiscanError

# float32 power, standardised, reconstruction, spread, error map, evidence, excess: 2 polarizations each; anomaly map;
# the stitchers' float32 sums of reconstruction, spread and log odds and their weights; deviation and log odds; masks
BYTES_PER_WORKING_PIXEL = 7 * 2 * 4 + 4 + 3 * (2 + 1) * 4 + 2 * 2 * 4 + 8

_DISK_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no EDQUOT


def require_memory(height_px: int, width_px: int) -> None:
    """Refuse a working grid that does not fit into memory.

    Args:
        height_px: Rows of the working grid.
        width_px: Columns of the working grid.

    Raises:
        ResourceError: If the arrays need more than the memory that is available now.
    """
    needed = height_px * width_px * BYTES_PER_WORKING_PIXEL
    available = int(psutil.virtual_memory().available)
    if needed > available:
        raise ResourceError(
            f"a working grid of {height_px} x {width_px} pixels needs about {needed / 1e9:.1f} GB of memory, "
            f"{available / 1e9:.1f} GB is available",
            hint="Choose a coarser --spacing, or leave it out to work at the spacing of the model.",
        )


@contextmanager
def shortage_as_error(what: str) -> Iterator[None]:
    """Turn exhausted memory or disk into a ResourceError.

    Args:
        what: What was being worked on; starts the message.

    Raises:
        ResourceError: If memory or disk ran out inside the block.
    """
    try:
        yield
    except MemoryError as error:
        raise _memory_error(what) from error
    except RuntimeError as error:  # torch says so when its allocator fails
        if "can't allocate memory" not in str(error) and "out of memory" not in str(error):
            raise
        raise _memory_error(what) from error
    except (OSError, RfiscanError) as error:
        if not _is_disk_full(error):
            raise
        raise ResourceError(
            f"{what}: no space left on the disk of the output folder",
            hint="Free some space, or name another folder with --out.",
        ) from error


def peak_rss_mb() -> float | None:
    """Return the largest resident memory of this process since it started, in MB (1e6 bytes); None if unknown."""
    peak_mb = _proc_peak_mb("self")  # getrusage on Linux may report the peak of the parent process
    if peak_mb is not None:
        return peak_mb
    try:
        import resource  # noqa: PLC0415 - does not exist on Windows
    except ImportError:
        peak = getattr(psutil.Process().memory_info(), "peak_wset", None)
        return None if peak is None else peak / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def tree_peak_rss_mb() -> float:
    """Return the largest resident memory of this process and of its children that still run, each since it started.

    In MB (1e6 bytes). Peaks that do not come at the same time, and memory that processes share, count in full: the sum
    is never too small for what runs. Where the peak of a child is unknown, what it has now takes its place.
    """
    total_mb = peak_rss_mb() or 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            peak_mb = _proc_peak_mb(str(child.pid))
            total_mb += child.memory_info().rss / 1e6 if peak_mb is None else peak_mb
        except psutil.Error:  # it has ended meanwhile
            continue
    return total_mb


def _proc_peak_mb(pid: str) -> float | None:
    """Peak memory of a process in MB, as Linux keeps it; None elsewhere, or if there is no such process."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    peaks = [int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("VmHWM:")]
    return peaks[0] if peaks else None


def _memory_error(what: str) -> ResourceError:
    return ResourceError(
        f"{what}: out of memory", hint="Choose a coarser --spacing, or close other programs and try again."
    )


def _is_disk_full(error: BaseException) -> bool:
    """Tell whether an error, or what caused it, is a full disk or an exhausted quota."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _DISK_FULL:
            return True
        if "no space left on device" in str(seen).lower():  # GDAL reports it by text
            return True
        seen = seen.__cause__ or seen.__context__
    return False


@contextmanager
def shared_cores(workers: int) -> Iterator[None]:
    """Give each of several threads its share of the cores that networks use."""
    import torch  # noqa: PLC0415 - what needs no network is measured without it

    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, threads // workers))
    try:
        yield
    finally:
        torch.set_num_threads(threads)
