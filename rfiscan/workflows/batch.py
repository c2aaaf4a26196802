"""Many scenes in one run: a scene that fails does not stop the others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rfiscan import __version__
from rfiscan.errors import OutputError, RfiscanError
from rfiscan.locations import Location, source_name
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.catalogue import write_catalogue
from rfiscan.workflows.detecting.claims import Claims, ProcessClaims
from rfiscan.workflows.reporting import SILENT, Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneOutcome:
    """How one scene of a run ended.

    Attributes:
        record: The record of the scene; of a failed one, with `error`, `hint` and `exit_code`.
        error: What stopped the scene; None if it is done.
    """

    record: dict[str, Any]
    error: Exception | None


def detect_scenes(
    groups: Sequence[tuple[Location, ...]], model: RunnableModel, options: DetectOptions, reporter: Reporter = SILENT
) -> Iterator[SceneOutcome]:
    """Run `detect_scene` on one scene after the other, and go on after a failure.

    Args:
        groups: The files of each scene, as `group_scenes` makes them.
        model: The model for all scenes.
        options: Options for all scenes.
        reporter: Is told what each scene has to say.

    Yields:
        The outcome of each scene as it ends.
    """
    claims = ProcessClaims()
    try:
        for number, paths in enumerate(groups, start=1):
            reporter.begin(number, len(groups))
            yield detect_one(paths, model, options, reporter, claims)
    finally:
        write_catalogue(options.out_dir)


def detect_one(
    paths: tuple[Location, ...], model: RunnableModel, options: DetectOptions, reporter: Reporter, claims: Claims
) -> SceneOutcome:
    """Run `detect_scene`; whatever is wrong with one scene, the others get their turn."""
    try:
        record = detect_scene(paths, model, options, reporter, claims=claims)
    except Exception as error:
        return SceneOutcome(record=failed_record(paths, error), error=error)
    return SceneOutcome(record=record, error=None)


@contextmanager
def output_folder(path: Path, option: str = "--out") -> Iterator[Path]:
    """Make the output folder and prove that it can be written to, before anything expensive starts.

    A folder that was made here and stayed empty is removed again.

    Args:
        path: The folder; its parents are made too.
        option: What names it on the command line.

    Yields:
        The folder.

    Raises:
        OutputError: If the path is a file, or the folder cannot be made or written to.
    """
    existed = path.exists()
    if existed and not path.is_dir():
        raise OutputError(f"{path}: is a file, not a folder", hint=f"Name a folder with {option}.")
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written to: {error.strerror}", hint=f"Name another folder with {option}."
        ) from error
    try:
        yield path
    finally:
        if not existed and path.is_dir() and not any(path.iterdir()):
            path.rmdir()


@contextmanager
def output_file(path: Path | None, option: str) -> Iterator[None]:
    """Prove that a file can be written, before anything expensive starts; see `output_folder`.

    Args:
        path: The file; None if none is wanted.
        option: What names it on the command line.

    Raises:
        OutputError: If it is a folder, or its folder cannot be made or written to.
    """
    if path is None:
        yield
        return
    if path.is_dir():
        raise OutputError(f"{path}: is a folder, not a file", hint=f"Name a file with {option}.")
    with output_folder(path.parent, option):
        yield


def failed_record(paths: tuple[Location, ...], error: Exception) -> dict[str, Any]:
    """Say in plain JSON values what stopped a scene."""
    if isinstance(error, RfiscanError):
        message, hint, exit_code = str(error), error.hint, error.exit_code
    else:
        message, hint, exit_code = f"{paths[0]}: unexpected {type(error).__name__}: {error}", "", 1
    return {
        "scene": paths[0].stem,
        "status": "failed",
        "version": __version__,
        "sources": [source_name(str(path)) for path in paths],
        "error": message,
        "hint": hint,
        "exit_code": exit_code,
    }
