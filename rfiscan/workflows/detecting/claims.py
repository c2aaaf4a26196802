"""Scenes of one run that have the same name, and so the same outputs: the first one gets it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from rfiscan.errors import OutputError
from rfiscan.locations import Location

_SUFFIX = ".claim"


class Claims(Protocol):
    """Who has which name."""

    def take(self, scene_id: str, locations: Sequence[Location]) -> bool:
        """Take a name for a scene.

        Returns:
            True where the scene took it before in this run: a worker was killed, and what it had done may be there.

        Raises:
            OutputError: Another scene of the run has it.
        """


class ProcessClaims:
    """Names that scenes of this process have taken."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def take(self, scene_id: str, locations: Sequence[Location]) -> bool:
        """Take a name; see `Claims`."""
        again = scene_id in self._owners
        if self._owners.setdefault(scene_id, _owner(locations)) != _owner(locations):
            raise _taken(scene_id, locations)
        return again


class FolderClaims:
    """Names that scenes of all processes of a run have taken: a small file each, in the folder of the outputs.

    Args:
        folder: Folder of the outputs.
        run: Tells this run from earlier ones, whose files do not count.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self._folder, self._run = folder, run

    def take(self, scene_id: str, locations: Sequence[Location]) -> bool:
        """Take a name; see `Claims`."""
        path, own = self._path(scene_id), f"{self._run}\n{_owner(locations)}"
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
        try:
            part.write_text(own, encoding="utf-8")
            try:
                os.link(part, path)  # there at once and whole, or not at all
            except FileExistsError:
                if path.read_text(encoding="utf-8") != own:
                    raise _taken(scene_id, locations) from None
                return True
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror}") from error
        return False

    def give_back(self) -> None:
        """Remove the files of this run."""
        for path in self._folder.glob(f".*.{self._run}{_SUFFIX}*"):
            path.unlink(missing_ok=True)

    def _path(self, scene_id: str) -> Path:
        return self._folder / f".{scene_id}.{self._run}{_SUFFIX}"


def _owner(locations: Sequence[Location]) -> str:
    return "\n".join(map(str, locations))


def _taken(scene_id: str, locations: Sequence[Location]) -> OutputError:
    return OutputError(
        f"{locations[0]}: another scene of this run is called {scene_id} too; outputs carry that name",
        hint="Run it alone, with another --out.",
    )
