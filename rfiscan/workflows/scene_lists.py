"""Which scenes a command line means: folders, globs, lists and standard input, and the share of them that is ours."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from rfiscan.errors import SceneError, UsageError
from rfiscan.locations import Location, locate
from rfiscan.scenes.product_files import looks_like_product
from rfiscan.workflows.grouping import group_scenes, require_present
from rfiscan.workflows.own_outputs import is_own_output

T = TypeVar("T")

FROM_STDIN = "-"
LIST_MARK = "@"
SUFFIXES = {".zip", ".tif", ".tiff", ".npy", ".png"}


def named_scenes(arguments: Sequence[str], lines: Iterable[str]) -> list[tuple[Location, ...]]:
    """The files of each scene that a command line means.

    Args:
        arguments: What `expand_arguments` takes.
        lines: Standard input; read only if asked for.

    Raises:
        SceneError: As of `expand_arguments`; or the only scene does not exist, which is told before anything expensive
            starts.
    """
    groups = group_scenes(expand_arguments(arguments, lines))
    if len(groups) == 1:
        require_present(groups[0])
    return groups


def expand_arguments(arguments: Sequence[str], lines: Iterable[str], open_lists: tuple[str, ...] = ()) -> list[str]:
    """Turn what a command line names into scenes.

    Args:
        arguments: Scenes and URLs, which stay as they are; folders that are no product, of which every scene inside is
            meant, at any depth; globs that the shell left alone; ``@list.txt``, a file with a line for each of these;
            and ``-`` for lines of standard input. Empty lines and those that begin with # do not count.
        lines: Standard input; read only if asked for.
        open_lists: Lists that these arguments stand in.

    Raises:
        SceneError: A folder or glob holds no scene or cannot be read, or a list cannot be read or names itself.
    """
    found: list[str] = []
    for argument in arguments:
        try:
            if argument == FROM_STDIN:
                found += expand_arguments(_entries(lines, "standard input"), (), open_lists)
            elif argument.startswith(LIST_MARK) and not Path(argument).exists():
                found += _listed(argument[1:], open_lists)
            else:
                found += _expanded(argument)
        except OSError as error:
            raise SceneError(f"{argument}: cannot be read: {error.strerror}", hint="Check the path.") from error
    return found


def _listed(name: str, open_lists: tuple[str, ...]) -> list[str]:
    """The scenes of a list."""
    own = str(Path(name).resolve())
    if own in open_lists:
        raise SceneError(f"{name}: is a list that names itself", hint="Take that line out of it.")
    return expand_arguments(_entries(_lines_of(Path(name)), name), (), (*open_lists, own))


def parse_shard(text: str, environment: Mapping[str, str]) -> tuple[int, int]:
    """Read which share of the scenes is ours.

    Args:
        text: ``2/8``, the second of eight; ``slurm`` for the task of a job array; ``slurm/8`` where the array is one of
            eight tasks that is submitted in parts, numbered from 1.
        environment: Variables: SLURM_ARRAY_TASK_ID, _MIN, _STEP and _COUNT (Slurm documentation, "Job Array Support").

    Returns:
        (index from 0, count).

    Raises:
        UsageError: It is no share.
    """
    match = re.fullmatch(r"(?:(slurm)|(\d+))(?:/(\d+))?", text)
    if match is None or not (match[1] or match[3]):
        raise UsageError(f"--shard {text} is no share", hint="Write it as 2/8, slurm or slurm/8.")
    if not match[1]:
        number, count = int(match[2]), int(match[3])
    elif match[3]:
        number, count = _of_array(environment, "ID"), int(match[3])
    else:
        first, step = _of_array(environment, "MIN", 0), _of_array(environment, "STEP", 1)
        number = (_of_array(environment, "ID") - first) // max(step, 1) + 1
        count = _of_array(environment, "COUNT")
    if not 1 <= number <= count:
        raise UsageError(f"--shard: there is no share {number} of {count}", hint="Shares count from 1.")
    return number - 1, count


def _of_array(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A number that Slurm tells the tasks of a job array."""
    text = environment.get(f"SLURM_ARRAY_TASK_{name}", "" if default is None else str(default))
    if not text.isdecimal():
        raise UsageError(
            f"--shard slurm: SLURM_ARRAY_TASK_{name} is not set",
            hint="Run it in a job array (sbatch --array), or give --shard 1/8.",
        )
    return int(text)


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


def _scenes_below(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Scenes in a folder and those below, in the order of their names; what rfiscan wrote itself is left out."""
    above = (*above, folder.resolve())
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if looks_like_product(path):
                yield path
            elif path.resolve() not in above:  # a link may lead back
                yield from _scenes_below(path, above)
        elif path.suffix.lower() in SUFFIXES and not is_own_output(path):
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
