"""What GDAL is told for reading over the network, and what went wrong there in plain words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import rasterio
from rasterio.errors import RasterioError

from rfiscan.errors import SceneError

# GDAL user manual, "Configuration options". A wrong address must fail in seconds, a slow but living server must not:
# hence a limit on the time to connect and on silence, none on the whole.
_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # listing a folder of a bucket may cost more than the file
    "GDAL_HTTP_CONNECTTIMEOUT": "5",
    "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
    "GDAL_HTTP_LOW_SPEED_TIME": "15",
    "GDAL_HTTP_MAX_RETRY": "2",
    "GDAL_HTTP_RETRY_DELAY": "1",
    # a row of tiles of two polarizations, which GDAL asks for in long ranges: with its 16 MB, a COG of an IW scene's
    # width took 10 % more bytes than it has
    "CPL_VSIL_CURL_CACHE_SIZE": str(64 * 2**20),
}
_REMOTE = re.compile(r"^(?:/vsi\w+/\{?)?/vsi(?:curl|s3|gs|az|adls|oss|swift|webhdfs)(?:_streaming)?\b")
_STATUS = re.compile(r"HTTP response code(?: on [^:]*)?: (\d+)")
_DENIED = (401, 403)
_GONE = (404, 410)
_CREDENTIALS = "Set the credentials as GDAL expects them, or sign the address anew: docs/inputs.md."
_CAUSES = (
    (
        re.compile(r"Range downloading not supported"),
        "its server sends whole files only, no parts of them",
        "Download it and give the file.",
    ),
    (
        re.compile(r"\bAWS_\w+|credential|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch", re.IGNORECASE),
        "access is denied",
        _CREDENTIALS,
    ),
    (
        re.compile(r"NoSuchKey|NoSuchBucket|(?:key|bucket) does not exist", re.IGNORECASE),
        "does not exist",
        "Check the address.",
    ),
    (
        re.compile(r"CURL error|does not exist in the file system|Unable to open|Connection", re.IGNORECASE),
        "cannot be reached: there is no such server, or it does not answer",
        "Check the address and the network.",
    ),
)


def is_remote(name: str) -> bool:
    """Tell whether GDAL reads the file of a path or name over the network."""
    return _REMOTE.match(name) is not None


def network_options(*names: str) -> dict[str, str]:
    """Return the options of GDAL for reading files: those of remote ones, if any is; what the user has set stays.

    Args:
        *names: Paths or GDAL names.
    """
    if not any(map(is_remote, names)):
        return {}
    return {key: value for key, value in _OPTIONS.items() if key not in os.environ}


@contextmanager
def network_access(name: str) -> Iterator[None]:
    """Set what `network_options` says while a file is opened or read."""
    options = network_options(name)
    with rasterio.Env(**options) if options else nullcontext():
        yield


def unreadable(label: str, name: str, error: RasterioError) -> SceneError | None:
    """Return what the network has to do with an error of rasterio; None if nothing, as far as it tells.

    Raise it ``from None``: what GDAL says may hold secrets.

    Args:
        label: How messages call the file.
        name: Path or GDAL name of it.
        error: What opening or reading it raised.
    """
    if not is_remote(name):
        return None
    told = _all_texts(error)
    status = _STATUS.search(told)
    if status is not None:
        return _answered(label, int(status[1]))
    for pattern, what, hint in _CAUSES:
        if pattern.search(told):
            return SceneError(f"{label}: {what}", hint=hint)
    return None


def _answered(label: str, status: int) -> SceneError:
    if status in _GONE:
        return SceneError(f"{label}: does not exist (HTTP {status})", hint="Check the address.")
    if status in _DENIED:
        return SceneError(f"{label}: access is denied (HTTP {status})", hint=_CREDENTIALS)
    return SceneError(f"{label}: its server fails with HTTP {status}", hint="Try again later.")


def _all_texts(error: BaseException | None) -> str:
    """Join what an error and its causes say."""
    texts = []
    while error is not None:
        texts.append(str(error))
        error = error.__cause__ or error.__context__
    return " | ".join(texts)
