"""Where a scene is: a path on this disk, or a file that GDAL reads over the network.

Addresses may hold secrets: a signed query, a password. They go to GDAL and nowhere else; what is shown or written down
is the address without them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

# GDAL user manual, "GDAL Virtual File Systems": the prefix of each scheme
_PREFIXES = {"s3": "/vsis3/", "gs": "/vsigs/", "az": "/vsiaz/", "oss": "/vsioss/"}
_WEB = re.compile(r"^(https?|ftp)://", re.IGNORECASE)
_SCHEME = re.compile(r"^([a-z0-9+]{2,})://", re.IGNORECASE)  # two letters at least: C:\ is a drive
_IN_ZIP = re.compile(
    r"^/vsizip/(?:\{(?P<braced>.+)\}|(?P<plain>.+?\.zip(?:\?[^/]*)?))(?:/(?P<inner>.*))?$", re.IGNORECASE
)
_ROOT = re.compile(r"^(?:/vsicurl/)?\w+://[^/]*|^/vsi\w+/[^/]*")
_NODE = re.compile(r"(?:Nodes|Products)\((.*)\)")  # of the Copernicus Data Space's OData


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A file that GDAL reads over the network, or by another of its virtual file systems.

    It answers to `name`, `stem`, `suffix` and `str` as a `pathlib.Path` does, always without secrets.

    Attributes:
        gdal_name: Such as /vsicurl/https://... or /vsis3/...; may hold secrets.
    """

    gdal_name: str = field(repr=False)

    def __str__(self) -> str:
        return without_secrets(self.gdal_name)

    @property
    def name(self) -> str:
        """Last part of the path."""
        last = str(self).removesuffix("/$value").rstrip("/").rpartition("/")[2]
        node = _NODE.fullmatch(last)
        return unquote(node[1] if node else last).replace("/", "_").strip(".") or "scene"

    @property
    def stem(self) -> str:
        """Name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Suffix of the name, with its dot; "" without."""
        return PurePosixPath(self.name).suffix

    @property
    def folder(self) -> str:
        """Where it lies, without secrets."""
        return str(self).removesuffix("/$value").rpartition("/")[0]

    def beside(self, relative: str) -> RemoteFile:
        """Return the file of a path relative to the folder of this one; a signed query goes along."""
        return RemoteFile(_with_path(self.gdal_name, lambda path: _joined(path, relative)))

    def at_root(self, path: str) -> RemoteFile:
        """Return the file of an absolute path on the server or in the bucket of this one."""
        return RemoteFile(_with_path(self.gdal_name, lambda own: _root(own) + path))

    def below(self, relative: str) -> RemoteFile:
        """Return the file of a path relative to this, which is a folder."""
        return RemoteFile(_with_path(self.gdal_name, lambda path: f"{path.rstrip('/')}/{relative}"))

    def inside(self, member: str) -> RemoteFile:
        """Return a file in this, which is a zip."""
        return RemoteFile(f"/vsizip/{{{self.gdal_name}}}/{member}")


Location: TypeAlias = Path | RemoteFile


def locate(text: str | Path | RemoteFile) -> Location:
    """Return where a scene is that the user names: by a path, a URL, or a name as GDAL has them.

    Args:
        text: Such as ``x.tiff``, ``https://host/x.tiff``, ``s3://bucket/x.tiff`` (gs, az and oss likewise) or
            ``/vsicurl/https://host/x.tiff``. Of a name in a zip that ends with the zip, the zip is meant.
    """
    if isinstance(text, (Path, RemoteFile)):
        return text
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    if text.startswith("/vsi"):
        return _by_gdal_name(text)
    if _WEB.match(text):
        return RemoteFile(f"/vsicurl/{text.partition('#')[0]}")
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1].lower() in _PREFIXES:
        return RemoteFile(_PREFIXES[scheme[1].lower()] + text[scheme.end() :])
    return Path(text)


def _by_gdal_name(text: str) -> Location:
    zipped = _IN_ZIP.match(text)
    if zipped is None or zipped["inner"]:
        return RemoteFile(text)
    archive = zipped["braced"] or zipped["plain"]
    return RemoteFile(archive) if archive.startswith("/vsi") else Path(archive)


def folder_of(location: Location) -> str:
    """Return the folder that a file lies in, without secrets."""
    return location.folder if isinstance(location, RemoteFile) else str(location.parent)


def gdal_name(location: Location) -> str:
    """Return the name by which GDAL opens a file; it may hold secrets."""
    return location.gdal_name if isinstance(location, RemoteFile) else str(location)


def without_secrets(gdal_name: str) -> str:
    """Return the address that a name of GDAL's stands for, without query and password."""
    zipped = _IN_ZIP.match(gdal_name)
    if zipped is not None:
        archive = without_secrets(zipped["braced"] or zipped["plain"])
        return f"{archive}/{zipped['inner']}" if zipped["inner"] else archive
    if gdal_name.startswith("/vsicurl?"):
        return without_secrets("/vsicurl/" + _options(gdal_name).get("url", ""))
    plain = re.sub(r"://[^/@\s]*@", "://", gdal_name.partition("?")[0])
    if plain.startswith("/vsicurl/"):
        return plain.removeprefix("/vsicurl/")
    for scheme, prefix in _PREFIXES.items():
        if plain.startswith(prefix):
            return f"{scheme}://{plain.removeprefix(prefix)}"
    return plain


def source_name(source: str) -> str:
    """Return how records call a source: the whole address of a remote one, the bare name of a path on this disk."""
    return source if isinstance(locate(source), RemoteFile) else Path(source).name


def _options(gdal_name: str) -> dict[str, str]:
    """Return the options of a name such as ``/vsicurl?pc_url_signing=yes&url=...``."""
    return dict(parse_qsl(gdal_name.partition("?")[2], keep_blank_values=True))


def _with_path(gdal_name: str, change: Callable[[str], str]) -> str:
    """Apply a change to the path in a name of GDAL's, and leave its query and options as they are."""
    if gdal_name.startswith("/vsicurl?"):
        options = _options(gdal_name)
        return "/vsicurl?" + urlencode({**options, "url": _with_path(options.get("url", ""), change)}, quote_via=quote)
    if gdal_name.startswith("/vsizip/"):
        return change(gdal_name)
    path, mark, query = gdal_name.partition("?")
    return change(path) + mark + query


def _joined(path: str, relative: str) -> str:
    if path.endswith("/$value"):
        folder = path.removesuffix("/$value").rpartition("/")[0]
        return "/".join([folder, *(f"Nodes({part})" for part in relative.split("/")), "$value"])
    parts = path.split("/")[:-1]
    for part in relative.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _root(path: str) -> str:
    found = _ROOT.match(path)
    return found[0] if found else ""
