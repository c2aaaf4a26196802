"""Whether the files of a scene are those of an earlier run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rfiscan.errors import SceneError
from rfiscan.locations import Location
from rfiscan.scenes.listed_files import PRODUCT_INFO
from rfiscan.scenes.product_files import MANIFEST

_LISTS = {MANIFEST, PRODUCT_INFO}
"""Files that stand for the folder they lie in."""


def input_state(locations: Sequence[Location]) -> str | None:
    """Digest of names, sizes and times of change of all files of a scene; None where one may not be on this disk.

    Of a STAC item, whose assets may lie anywhere, it is None.

    Args:
        locations: Files and folders of the scene.

    Raises:
        SceneError: A file cannot be looked at.
    """
    paths = [location for location in locations if isinstance(location, Path)]
    if len(paths) < len(locations) or any(path.suffix == ".json" and path.name not in _LISTS for path in paths):
        return None
    digest = hashlib.sha256()
    try:
        for path in paths:
            for name, state in _files(path):
                digest.update(f"{name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    except OSError as error:
        raise SceneError(
            f"{error.filename}: cannot be read: {error.strerror}", hint="Check its permissions."
        ) from error
    return digest.hexdigest()


def _files(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Name and state of a file, or of all files of a product, in the order of their names."""
    folder = path.parent if path.name in _LISTS else path
    if not folder.is_dir():
        yield path.name, path.stat()
        return
    for each in sorted(folder.rglob("*")):
        if each.is_file():
            yield each.relative_to(folder).as_posix(), each.stat()
