"""Lists and manifests of training scenes: which there are, and on which side of the split they belong."""

from __future__ import annotations

import csv
import glob
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from rfiscan.errors import ConfigError

LIST_MARK = "@"
MANIFEST_SUFFIX = ".csv"
SPLITS = {"train": "train", "training": "train", "validation": "validation", "val": "validation", "test": "test"}
"""What a manifest may call a split; scenes of a test split take no part in training."""
COLUMNS = ("path", "split", "acquisition")


class Claim(NamedTuple):
    """What a manifest says of a scene; None where it leaves that open.

    Attributes:
        split: "train", "validation" or "test".
        acquisition: What it shares with scenes that must be on its side of the split.
    """

    split: str | None = None
    acquisition: str | None = None


class Listing(NamedTuple):
    """What entries name: files, folders and globs, and what manifests say of some files."""

    patterns: list[str]
    claims: dict[Path, Claim]


def read_listings(entries: Sequence[str]) -> Listing:
    """Replace lists and manifests by what they hold.

    Args:
        entries: Files, folders and globs, which stay as they are; ``@list.txt``, a file with a line for each of these,
            relative to the working folder, in which empty lines and those that begin with # do not count; and
            ``manifest.csv``, a table with the columns path, split and acquisition, of which path is needed, relative to
            the folder of the manifest.

    Raises:
        ConfigError: If a file cannot be read or names itself, or a row of a manifest makes no sense.
    """
    return _read(entries, ())


def _read(entries: Sequence[str], open_lists: tuple[Path, ...]) -> Listing:
    listing = Listing([], {})
    for entry in entries:
        if entry.startswith(LIST_MARK):
            found = _read_list(Path(entry[1:]), open_lists)
        elif entry.lower().endswith(MANIFEST_SUFFIX):
            found = _read_manifest(Path(entry))
        else:
            found = Listing([entry], {})
        listing.patterns.extend(found.patterns)
        for path, claim in found.claims.items():
            if listing.claims.setdefault(path, claim) != claim:
                raise ConfigError(f"data.scenes: {path} is listed twice, and not alike")
    return listing


def _read_list(path: Path, open_lists: tuple[Path, ...]) -> Listing:
    own = path.resolve()
    if own in open_lists:
        raise ConfigError(f"data.scenes: {path} is a list that names itself", hint="Take that line out of it.")
    lines = [line.strip() for line in _text(path, "a list of scenes").splitlines()]
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:
        raise ConfigError(f"data.scenes: the list {path} names no scene")
    return _read(entries, (*open_lists, own))


def _read_manifest(path: Path) -> Listing:
    reader = csv.DictReader(_text(path, "a manifest").splitlines(), restval="")
    if "path" not in (reader.fieldnames or ()):
        raise ConfigError(f"data.scenes: {path} has no column 'path'", hint=f"Columns are {', '.join(COLUMNS)}.")
    claims: dict[Path, Claim] = {}
    for row in reader:
        name, split, acquisition = ((row.get(column) or "").strip() for column in COLUMNS)
        place = f"data.scenes: {path}, line {reader.line_num}"
        if not name:
            raise ConfigError(f"{place}: the path is empty")
        if split and split.lower() not in SPLITS:
            raise ConfigError(f"{place}: there is no split {split!r}", hint="It is train, validation, test or empty.")
        claim = Claim(SPLITS.get(split.lower()), acquisition or None)
        scene = path.parent / name
        if not scene.exists():
            raise ConfigError(f"{place}: {scene} does not exist", hint="Paths are relative to the manifest.")
        if claims.setdefault(scene, claim) != claim:
            raise ConfigError(f"{place}: {scene} is listed twice, and not alike")
    if not claims:
        raise ConfigError(f"data.scenes: the manifest {path} names no scene")
    return Listing([glob.escape(str(scene)) for scene in claims], claims)


def _text(path: Path, what: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets begin a table with a mark of its encoding
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(f"data.scenes: {path} cannot be read as {what}: {reason}", hint="Check the path.") from error
