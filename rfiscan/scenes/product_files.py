"""Where the files of a Sentinel-1 product lie: in a folder or in a zip. What they mean is in `safe` and `product`."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from rfiscan.errors import SceneError

MANIFEST = "manifest.safe"
PARTS = (MANIFEST, "annotation", "measurement")
"""Every product has one of these at its top, if it is not complete."""


class ProductFiles(Protocol):
    """The files of a product, wherever they lie."""

    @property
    def source(self) -> str:
        """What the user gave, as messages call it."""

    @property
    def name(self) -> str:
        """Name of the product's folder, without .SAFE."""

    @property
    def sizes(self) -> Mapping[str, int | None]:
        """Bytes of each file, by its path in the product; None where it is not told."""

    def read(self, member: str) -> bytes:
        """Return what a file holds.

        Raises:
            SceneError: It cannot be read.
        """

    def gdal_name(self, member: str) -> str:
        """Return the name by which GDAL opens a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFiles:
    """The files of a product in a folder; see `ProductFiles`."""

    folder: Path
    name: str
    sizes: Mapping[str, int]

    @property
    def source(self) -> str:
        """What the user gave, as messages call it."""
        return str(self.folder)

    def read(self, member: str) -> bytes:
        """Return what a file holds."""
        try:
            return (self.folder / member).read_bytes()
        except OSError as error:
            raise _unreadable(self.source, member, error) from error

    def gdal_name(self, member: str) -> str:
        """Return the name by which GDAL opens a file."""
        return f"{self.folder}/{member}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipFiles:
    """The files of a product in a zip, which is not unpacked; see `ProductFiles`.

    Attributes:
        archive: The zip.
        prefix: Path of the product in it.
        name: Name of the product.
        sizes: Bytes of each file, unpacked.
    """

    archive: Path
    prefix: str
    name: str
    sizes: Mapping[str, int]

    @property
    def source(self) -> str:
        """What the user gave, as messages call it."""
        return str(self.archive)

    def read(self, member: str) -> bytes:
        """Return what a file holds."""
        try:
            with zipfile.ZipFile(self.archive) as archive:
                return archive.read(self.prefix + member)
        except (OSError, zipfile.BadZipFile) as error:
            raise _unreadable(self.source, member, error) from error

    def gdal_name(self, member: str) -> str:
        """Return the name by which GDAL opens a file."""
        return f"/vsizip/{{{self.archive.absolute()}}}/{self.prefix}{member}"


def looks_like_product(folder: Path) -> bool:
    """Tell whether a folder is a Sentinel-1 product, complete or not."""
    return any((folder / name).exists() for name in PARTS)


def local_product(path: Path) -> ProductFiles:
    """Find the files of a product: its folder, its manifest.safe, or its zip.

    Raises:
        SceneError: It is a zip that is damaged, or does not hold one product.
    """
    return _in_zip(path) if path.is_file() and path.name != MANIFEST else _in_folder(path)


def product_in_listing(names: Mapping[str, int], source: str) -> tuple[str, dict[str, int]]:
    """Find the one product among the files of an archive.

    Args:
        names: Bytes of each file by its path in the archive.
        source: How messages call the archive.

    Returns:
        The path of the product in the archive, "" or ending in a slash; and the bytes of its files by their path in it.

    Raises:
        SceneError: There is none, or more than one.
    """
    parts = (PurePosixPath(name).parts for name in names)
    tops = {"/".join(p[:i]) for p in parts for i, part in enumerate(p) if part in (MANIFEST, "measurement")}
    if not tops:
        raise SceneError(f"{source}: holds no Sentinel-1 product", hint="Give the zip of a SAFE folder.")
    if len(tops) > 1:
        raise SceneError(f"{source}: holds {len(tops)} products", hint="Unpack it and give them one by one.")
    prefix = f"{top}/" if (top := tops.pop()) else ""
    return prefix, {name.removeprefix(prefix): size for name, size in names.items() if name.startswith(prefix)}


def _in_folder(path: Path) -> FolderFiles:
    folder = path.parent if path.name == MANIFEST else path
    members = (member for member in folder.rglob("*") if member.is_file())
    sizes = {member.relative_to(folder).as_posix(): member.stat().st_size for member in members}
    return FolderFiles(folder=folder, name=folder.resolve().name.removesuffix(".SAFE"), sizes=sizes)


def _in_zip(path: Path) -> ZipFiles:
    try:
        with zipfile.ZipFile(path) as archive:
            names = {info.filename: info.file_size for info in archive.infolist() if not info.is_dir()}
    except (OSError, zipfile.BadZipFile) as error:
        raise SceneError(f"{path}: is not a whole zip file: {error}", hint="Download it again.") from error
    prefix, sizes = product_in_listing(names, str(path))
    name = PurePosixPath(prefix).name.removesuffix(".SAFE") or path.stem.removesuffix(".SAFE")
    return ZipFiles(archive=path, prefix=prefix, name=name, sizes=sizes)


def _unreadable(source: str, member: str, error: Exception) -> SceneError:
    return SceneError(f"{source}: its {member} cannot be read: {error}")
