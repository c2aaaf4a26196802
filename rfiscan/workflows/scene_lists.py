"""Which scenes a command line means: folders, globs, lists and standard input, and the share of them that is ours."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rfiscan.errors import SceneError, UsageError
from rfiscan.locations import locate
from rfiscan.scenes.product_files import looks_like_product

T = TypeVar("T")

FROM_STDIN = "-"
LIST_MARK = "@"
SUFFIXES = {".zip", ".tif", ".tiff", ".npy", ".png"}
_OWN_OUTPUT = re.compile(
    r"_(?:error|score|mask|truth|stripes|interference)(?:_geocoded)?\.tif$|_quicklook\.png$", re.IGNORECASE
)


def expand_arguments(arguments: Sequence[str], lines: Iterable[str]) -> list[str]:
    """Turn what a command line names into scenes.

    Args:
        arguments: Scenes and URLs, which stay as they are; folders that are no product, of which every scene inside is
            meant, at any depth; globs that the shell left alone; ``@list.txt``, a file with a line for each of these;
            and ``-`` for lines of standard input. Empty lines and those that begin with # do not count.
        lines: Standard input; read only if asked for.

    Raises:
        SceneError: A folder or glob holds no scene, or a list cannot be read.
    """
    found: list[str] = []
    for argument in arguments:
        if argument == FROM_STDIN:
            found += expand_arguments(_entries(lines, "standard input"), ())
        elif argument.startswith(LIST_MARK) and not Path(argument).exists():
            found += expand_arguments(_entries(_lines_of(Path(argument[1:])), argument[1:]), ())
        else:
            found += _expanded(argument)
    return found


def parse_shard(text: str, environment: Mapping[str, str]) -> tuple[int, int]:
    """Read which share of the scenes is ours.

    Args:
        text: ``2/8``, the second of eight, or ``slurm`` for the task of a job array.
        environment: Variables: SLURM_ARRAY_TASK_ID, _MIN, _STEP and _COUNT (Slurm documentation, "Job Array Support").

    Returns:
        (index from 0, count).

    Raises:
        UsageError: It is no share.
    """
    if text == "slurm":
        try:
            task, count = (int(environment[f"SLURM_ARRAY_TASK_{name}"]) for name in ("ID", "COUNT"))
            first, step = (int(environment.get(f"SLURM_ARRAY_TASK_{n}", d)) for n, d in (("MIN", "0"), ("STEP", "1")))
        except (KeyError, ValueError) as error:
            raise UsageError(
                "--shard slurm: SLURM_ARRAY_TASK_ID and SLURM_ARRAY_TASK_COUNT are not set",
                hint="Run it in a job array (sbatch --array), or give --shard 1/8.",
            ) from error
        number = (task - first) // max(step, 1) + 1
    else:
        match = re.fullmatch(r"(\d+)/(\d+)", text)
        if match is None:
            raise UsageError(f"--shard {text} is no share", hint="Write it as 2/8, or slurm.")
        number, count = int(match[1]), int(match[2])
    if not 1 <= number <= count:
        raise UsageError(f"--shard: there is no share {number} of {count}", hint="Shares count from 1.")
    return number - 1, count


def take_shard(scenes: Sequence[T], index: int, count: int) -> list[T]:
    """Return one share of the scenes; the shares of all indexes hold each scene once, and differ by one at most."""
    return list(scenes[index::count])


def _expanded(argument: str) -> list[str]:
    location = locate(argument)
    if not isinstance(location, Path) or location.is_file():
        return [argument]
    if location.is_dir():
        return [argument] if looks_like_product(location) else _require(map(str, _scenes_below(location)), argument)
    if any(mark in argument for mark in "*?["):
        paths = (Path(name) for name in sorted(glob.glob(argument, recursive=True)))  # noqa: PTH207 - absolute ones, too
        return _require((scene for path in paths for scene in _expanded(str(path))), argument)
    return [argument]  # does not exist: whoever opens it says so


def _scenes_below(folder: Path) -> Iterator[Path]:
    """Scenes in a folder and those below, in the order of their names; what rfiscan wrote itself is left out."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if looks_like_product(path):
                yield path
            elif path.name != "tiles":
                yield from _scenes_below(path)
        elif path.suffix.lower() in SUFFIXES and not _OWN_OUTPUT.search(path.name):
            yield path


def _require(scenes: Iterable[str], argument: str) -> list[str]:
    found = list(scenes)
    if not found:
        raise SceneError(f"{argument}: names no scene", hint="Check the path; see docs/inputs.md for what a scene is.")
    return found


def _entries(lines: Iterable[str], name: str) -> list[str]:
    entries = [line.strip() for line in lines]
    return _require((entry for entry in entries if entry and not entry.startswith("#")), name)


def _lines_of(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise SceneError(f"{path}: cannot be read as a list of scenes: {reason}", hint="Check the path.") from error
