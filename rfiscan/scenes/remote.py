"""Small files over the network.

They come the same way as pixels, through GDAL, so that one set of credentials serves both: whatever GDAL takes
from the environment (AWS_*, AWS_NO_SIGN_REQUEST, AWS_REQUEST_PAYER, GDAL_HTTP_*, ...).
"""

from __future__ import annotations

from html import escape

import rasterio
from rasterio.errors import RasterioError

from rfiscan.errors import SceneError
from rfiscan.locations import Location, RemoteFile
from rfiscan.scenes.network import network_access, network_options, unreadable
from rfiscan.scenes.rows import open_raster

_CHUNK_BYTES = 4 * 2**20
_MAX_BYTES = 128 * 2**20
"""Annotation files have at most a few megabytes; nothing that is read whole may be larger than this."""
START_BYTES = 512
_RAW_OPTIONS = {
    "GDAL_VRT_RAWRASTERBAND_ALLOWED_SOURCE": "ALL",  # GDAL 3.12 allows no other files than those beside a VRT
    "RAW_CHECK_FILE_SIZE": "NO",  # or less than half of the bytes asked for is an error
}


def read_start(file: RemoteFile) -> bytes:
    """Return the first bytes of a file, as many as tell what it is; fewer if it is shorter.

    Raises:
        SceneError: It does not exist, or cannot be reached.
    """
    start = _read(file, 0, START_BYTES).rstrip(b"\0")
    if not start and (reason := _reason(file)) is not None:
        raise reason
    return start


def read_whole(location: Location) -> bytes:
    """Return all bytes of a small file, without zero bytes that may be at its end.

    Raises:
        SceneError: It does not exist, cannot be reached, or is not small.
    """
    if not isinstance(location, RemoteFile):
        try:
            return location.read_bytes()
        except OSError as error:
            raise SceneError(f"{location}: cannot be read: {error.strerror}", hint="Check the path.") from error
    parts: list[bytes] = []
    while not parts or not parts[-1].endswith(b"\0"):
        if len(parts) * _CHUNK_BYTES >= _MAX_BYTES:
            raise SceneError(f"{location}: is larger than {_MAX_BYTES // 2**20} MB, too large for what it should be")
        parts.append(_read(location, len(parts) * _CHUNK_BYTES, _CHUNK_BYTES))
    return b"".join(parts).rstrip(b"\0")


def _read(file: RemoteFile, start: int, count: int) -> bytes:
    """Return `count` bytes from `start` on, zeros beyond the end of the file.

    rasterio has no call for it, but GDAL has a raster whose pixels are the bytes of any file: "Virtual Raster", section
    "VRT Descriptions for Raw Files".
    """
    name = escape(file.gdal_name, quote=False)
    described = (
        f'<VRTDataset rasterXSize="{count}" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1" '
        f'subClass="VRTRawRasterBand"><SourceFilename relativeToVRT="0">{name}</SourceFilename>'
        f"<ImageOffset>{start}</ImageOffset><PixelOffset>1</PixelOffset><LineOffset>{count}</LineOffset>"
        "</VRTRasterBand></VRTDataset>"
    )
    options = {**network_options(file.gdal_name), **_RAW_OPTIONS}
    try:
        with rasterio.Env(**options), open_raster(described) as bytes_of:
            found: bytes = bytes_of.read(1).tobytes()
    except RasterioError as error:
        failure = error
    else:
        return found
    reason = _reason(file) or unreadable(str(file), file.gdal_name, failure)
    raise reason or SceneError(f"{file}: cannot be read", hint="Check the address.") from None


def _reason(file: RemoteFile) -> SceneError | None:
    """Ask again what is wrong: of a file opened by itself, GDAL tells what the server says. None if nothing is."""
    try:
        with network_access(file.gdal_name), rasterio.open(file.gdal_name):
            return None
    except RasterioError as error:
        return unreadable(str(file), file.gdal_name, error)
