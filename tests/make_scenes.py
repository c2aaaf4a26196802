"""Small synthetic inputs of every kind that rfiscan reads. Shapes are (rows, columns)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import ArrayLike, NDArray
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS

from tests.make_calibration import Tables, calibration_xml, noise_xml

PRODUCT = "S1A_IW_GRDH_1SDV_20240203T043109_20240203T043134_052345_06543F_1A2B"
LOOKS = 4.4
METRES_PER_DEGREE = 111_195.0
GROUND_SPEED_M_PER_S = 6_700.0
FIRST_LINE_TIME = datetime(2024, 2, 3, 4, 31, 9, 448219)  # UTC without a zone, as annotations have it


def speckled_power(shape: tuple[int, int], *, mean: float = 1e4, seed: int = 0) -> NDArray[np.float32]:
    """Return power of a homogeneous sea with the speckle of an IW GRDH product."""
    speckle = np.random.default_rng(seed).gamma(LOOKS, 1 / LOOKS, shape)
    return (mean * speckle).astype(np.float32)


def speckled_dn(shape: tuple[int, int], *, mean: float = 1e4, seed: int = 0, border_px: int = 0) -> NDArray[np.uint16]:
    """Return digital numbers with a zero border on the left; no other pixel is zero."""
    dn = np.maximum(1, np.round(np.sqrt(speckled_power(shape, mean=mean, seed=seed)))).astype(np.uint16)
    dn[:, :border_px] = 0
    return dn


def true_lonlat(
    cols: ArrayLike,
    rows: ArrayLike,
    *,
    spacing_m: float = 10.0,
    origin: tuple[float, float] = (24.0, 38.0),
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where a pixel corner of a synthetic GCP scene lies: rotated as an orbit is, mirrored, slightly bent."""
    x = -np.asarray(cols, float) * spacing_m
    y = -np.asarray(rows, float) * spacing_m
    turn = np.radians(12)
    east = x * np.cos(turn) - y * np.sin(turn) + 1e-7 * x * y
    north = x * np.sin(turn) + y * np.cos(turn) + 1e-7 * x * x
    lat = origin[1] + north / METRES_PER_DEGREE
    lon = origin[0] + east / (METRES_PER_DEGREE * np.cos(np.radians(origin[1])))
    return (lon + 180) % 360 - 180, lat


def gcp_grid(
    shape: tuple[int, int],
    *,
    count: tuple[int, int] = (10, 21),
    spacing_m: float = 10.0,
    origin: tuple[float, float] = (24.0, 38.0),
) -> list[GroundControlPoint]:
    """Return 210 GCPs at whole pixels, first and last ones included, as a GRD product has them."""
    rows = np.unique(np.linspace(0, shape[0] - 1, count[0]).round())
    cols = np.unique(np.linspace(0, shape[1] - 1, count[1]).round())
    points = []
    for row in rows:
        for col in cols:
            lon, lat = true_lonlat(col, row, spacing_m=spacing_m, origin=origin)
            points.append(GroundControlPoint(row=row, col=col, x=float(lon), y=float(lat), z=0.0))
    return points


def write_tiff(path: Path, values: NDArray[Any], **profile: Any) -> Path:
    """Write (H, W) or (C, H, W) values; `profile` may hold gcps, crs, transform, nodata, compress, ...

    descriptions (a list of names), tags (a dict), scales and offsets (of each band) go where they belong.
    """
    values = values[None] if values.ndim == 2 else values
    descriptions: Sequence[str] = profile.pop("descriptions", ())
    tags: Mapping[str, str] = profile.pop("tags", {})
    scales, offsets = profile.pop("scales", None), profile.pop("offsets", None)
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    with rasterio.open(path, "w", driver="GTiff", dtype=values.dtype, **size, **profile) as target:
        target.write(values)
        for index, text in enumerate(descriptions, start=1):
            target.set_band_description(index, text)
        if tags:
            target.update_tags(**tags)
        if scales is not None:
            target.scales = scales
        if offsets is not None:
            target.offsets = offsets
    return path


def make_grd_tiffs(
    folder: Path,
    *,
    shape: tuple[int, int] = (120, 160),
    polarizations: Sequence[str] = ("VV", "VH"),
    spacing_m: float = 10.0,
    border_px: int = 0,
    dn: Mapping[str, NDArray[np.uint16]] | None = None,
) -> dict[str, Path]:
    """Write measurement TIFFs as ESA does: uint16, one row a strip, GCPs, zero border. Returns path by polarization."""
    gcps = gcp_grid(shape, spacing_m=spacing_m)
    paths = {}
    for number, polarization in enumerate(polarizations):
        cross = polarization in {"VH", "HV"}
        values = (dn or {}).get(polarization)
        if values is None:
            values = speckled_dn(shape, mean=2e3 if cross else 1e4, seed=number, border_px=border_px)
        path = folder / f"iw-{polarization.lower()}.tiff"
        paths[polarization] = write_tiff(path, values, gcps=gcps, crs=CRS.from_epsg(4326), blockysize=1)
    return paths


def make_affine_tiff(
    path: Path,
    values: NDArray[Any] | None = None,
    *,
    shape: tuple[int, int] = (120, 160),
    crs: str = "EPSG:32634",
    pixel: float = 20.0,
    corner: tuple[float, float] = (500_000.0, 4_200_000.0),
    **profile: Any,
) -> Path:
    """Write a geocoded GeoTIFF: by default two bands of float32 linear power, VV and VH, 20 m UTM."""
    if values is None:
        values = np.stack([speckled_power(shape, mean=0.1, seed=1), speckled_power(shape, mean=0.02, seed=2)])
        profile.setdefault("descriptions", ("VV", "VH"))
    transform = Affine(pixel, 0, corner[0], 0, -pixel, corner[1])
    return write_tiff(path, values, crs=crs, transform=transform, **profile)


def quicklook_amplitudes(shape: tuple[int, int] = (60, 80), *, seed: int = 0) -> NDArray[np.uint8]:
    """Return (H, W, 2) amplitudes of a quick-look, co-pol first; none is zero."""
    co, cross = (speckled_power(shape, mean=mean, seed=seed + i) for i, mean in enumerate((9e3, 3e3)))
    return np.clip(np.sqrt(np.stack([co, cross], axis=-1)), 1, 255).astype(np.uint8)


def make_quicklook_npy(path: Path, *, shape: tuple[int, int] = (60, 80), seed: int = 0) -> Path:
    """Write a quick-look as uint8 (H, W, 2)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, quicklook_amplitudes(shape, seed=seed))
    return path


def make_quicklook_png(path: Path, *, shape: tuple[int, int] = (60, 80), seed: int = 0) -> Path:
    """Write a quick-look as a PNG: red co-pol, green cross-pol, blue their ratio."""
    co, cross = np.moveaxis(quicklook_amplitudes(shape, seed=seed), -1, 0)
    ratio = np.clip(20 * co.astype(float) / cross, 0, 255).astype(np.uint8)
    return write_png(path, np.stack([co, cross, ratio]))


def write_png(path: Path, values: NDArray[np.uint8]) -> Path:
    """Write (H, W) or (C, H, W) as a PNG."""
    values = values[None] if values.ndim == 2 else values
    path.parent.mkdir(parents=True, exist_ok=True)
    size = {"count": values.shape[0], "height": values.shape[1], "width": values.shape[2]}
    with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path, "w", driver="PNG", dtype="uint8", **size) as target:
        target.write(values)
    return path


def make_safe(
    folder: Path,
    *,
    name: str = PRODUCT,
    shape: tuple[int, int] = (120, 160),
    polarizations: Sequence[str] = ("VV", "VH"),
    spacing_m: float = 10.0,
    border_px: int = 0,
    dn: Mapping[str, NDArray[np.uint16]] | None = None,
    layout: str = "esa",
    gcps_in_tiff: bool = True,
    measurements: bool = True,
    ipf: str | None = None,
    orbit: tuple[datetime, int] | None = None,
    rfi: Mapping[str, str] | None = None,
    tables: Mapping[str, Tables] | None = None,
    early_noise: bool = False,
) -> Path:
    """Write a small valid GRD product: manifest, annotation, measurement TIFFs.

    Args:
        folder: Where to put it.
        name: Name of the product, without .SAFE.
        shape: (rows, columns).
        polarizations: One or two.
        spacing_m: Pixel spacing.
        border_px: Width of the zero border on the left.
        dn: Digital numbers (H, W) by polarization, in place of speckle.
        layout: "esa", or "aws" for the file names of the open-data mirror.
        gcps_in_tiff: False leaves the GCPs to the annotation.
        measurements: False leaves the TIFFs out.
        ipf: Version of the processor that the manifest tells, as "003.52"; None tells none.
        orbit: Time of the ascending node and relative orbit number that the manifest tells; None tells none.
        rfi: ESA's interference annotation by polarization, as `tests.make_rfi.rfi_xml` makes it; None writes none.
        tables: Look-up tables by polarization, for calibration and noise annotation; none without.
        early_noise: True for the noise annotation of processors before 2.90.
    """
    safe = folder / (f"{name}.SAFE" if layout == "esa" else name)
    for part in ("annotation/calibration", "measurement", "preview"):
        (safe / part).mkdir(parents=True)
    (safe / "manifest.safe").write_text(_manifest(ipf, orbit))
    if tables is None:
        (safe / "annotation/calibration/calibration-iw-vv.xml").write_text("<calibration/>")
    if layout == "aws":
        (safe / "productInfo.json").write_text("{}")
    for number, polarization in enumerate(polarizations, start=1):
        stem = _stem(polarization, number, layout)
        xml = _annotation(polarization, shape, spacing_m)
        (safe / "annotation" / f"{stem}.xml").write_text(xml)
        if rfi is not None and polarization in rfi:
            (safe / "annotation/rfi").mkdir(exist_ok=True)
            (safe / "annotation/rfi" / f"rfi-{stem}.xml").write_text(rfi[polarization])
        if tables is not None:
            beside, own = safe / "annotation/calibration", tables[polarization]
            (beside / f"calibration-{stem}.xml").write_text(calibration_xml(own))
            (beside / f"noise-{stem}.xml").write_text(noise_xml(own, early=early_noise))
        if measurements:
            mean = 2e3 if polarization in {"VH", "HV"} else 1e4
            values = (dn or {}).get(polarization)
            if values is None:
                values = speckled_dn(shape, mean=mean, seed=number, border_px=border_px)
            place = {"gcps": gcp_grid(shape, spacing_m=spacing_m), "crs": "EPSG:4326"} if gcps_in_tiff else {}
            write_tiff(safe / "measurement" / f"{stem}.tiff", values, blockysize=1, **place)
    return safe


def zip_safe(safe: Path) -> Path:
    """Pack a product as it is downloaded: NAME.zip beside the folder, with NAME.SAFE/ in it."""
    target = safe.with_suffix(".zip")
    shutil.make_archive(str(target.with_suffix("")), "zip", root_dir=safe.parent, base_dir=safe.name)
    return target


def _stem(polarization: str, number: int, layout: str) -> str:
    pol = polarization.lower()
    return (
        f"iw-{pol}" if layout == "aws" else f"s1a-iw-grd-{pol}-20240203t043109-20240203t043134-052345-06543f-00{number}"
    )


def _manifest(ipf: str | None, orbit: tuple[datetime, int] | None) -> str:
    """Return a manifest that names the processor last in time first, and those before it inside, as ESA's do."""
    if ipf is None and orbit is None:
        return '<?xml version="1.0"?><XFDU>Sentinel-1 GRD</XFDU>'
    return (
        '<?xml version="1.0"?><xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" '
        'xmlns:safe="http://www.esa.int/safe/sentinel-1.0" xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1">'
        f"<metadataSection>{_orbit_reference(orbit)}<safe:processing><safe:facility>"
        f'<safe:software name="Sentinel-1 IPF" version="{ipf}"/></safe:facility><safe:resource><safe:processing>'
        '<safe:facility><safe:software name="Sentinel-1 IPF" version="001.00"/></safe:facility></safe:processing>'
        "</safe:resource></safe:processing></metadataSection></xfdu:XFDU>"
    )


def _orbit_reference(orbit: tuple[datetime, int] | None) -> str:
    if orbit is None:
        return ""
    node_time, relative = orbit
    numbers = "".join(
        f'<safe:relativeOrbitNumber type="{end}">{relative}</safe:relativeOrbitNumber>' for end in ("start", "stop")
    )
    node = f"<s1:ascendingNodeTime>{node_time.isoformat(timespec='microseconds')}</s1:ascendingNodeTime>"
    return f"<safe:orbitReference>{numbers}{node}</safe:orbitReference>"


def line_time(row: float, spacing_m: float) -> datetime:
    """Return the azimuth time of a row of a synthetic product."""
    return FIRST_LINE_TIME + timedelta(seconds=row * spacing_m / GROUND_SPEED_M_PER_S)


def _annotation(polarization: str, shape: tuple[int, int], spacing_m: float) -> str:
    height, width = shape
    points = "".join(
        f"<geolocationGridPoint><line>{p.row:.0f}</line><pixel>{p.col:.0f}</pixel><latitude>{p.y!r}</latitude>"
        f"<longitude>{p.x!r}</longitude><height>{p.z}</height></geolocationGridPoint>"
        for p in gcp_grid(shape, spacing_m=spacing_m)
    )
    edges = [0, width // 3, 2 * width // 3, width]
    half = height // 2
    first, last = (line_time(row, spacing_m).isoformat(timespec="microseconds") for row in (0, height - 1))
    merges = "".join(
        f"<swathMerge><swath>IW{i + 1}</swath><swathBoundsList>"
        + _bounds(0, half - 1, edges[i], edges[i + 1] - 1)
        + _bounds(half, height - 1, edges[i], edges[i + 1])
        + "</swathBoundsList></swathMerge>"
        for i in range(3)
    )
    return (
        f"<?xml version='1.0'?><product><adsHeader><productType>GRD</productType>"
        f"<polarisation>{escape(polarization)}</polarisation><mode>IW</mode><swath>IW</swath>"
        f"<startTime>{first}</startTime><stopTime>{last}</stopTime></adsHeader>"
        f"<generalAnnotation><productInformation><pass>Descending</pass></productInformation></generalAnnotation>"
        f"<imageAnnotation><imageInformation><productFirstLineUtcTime>{first}</productFirstLineUtcTime>"
        f"<productLastLineUtcTime>{last}</productLastLineUtcTime>"
        f"<azimuthTimeInterval>{spacing_m / GROUND_SPEED_M_PER_S!r}</azimuthTimeInterval>"
        f"<rangePixelSpacing>{spacing_m}</rangePixelSpacing>"
        f"<azimuthPixelSpacing>{spacing_m}</azimuthPixelSpacing><numberOfSamples>{width}</numberOfSamples>"
        f"<numberOfLines>{height}</numberOfLines></imageInformation></imageAnnotation>"
        f"<geolocationGrid><geolocationGridPointList>{points}</geolocationGridPointList></geolocationGrid>"
        f"<swathMerging><swathMergeList>{merges}</swathMergeList></swathMerging></product>"
    )


def _bounds(first_row: int, last_row: int, first_col: int, last_col: int) -> str:
    return (
        f"<swathBounds><firstAzimuthLine>{first_row}</firstAzimuthLine><firstRangeSample>{first_col}</firstRangeSample>"
        f"<lastAzimuthLine>{last_row}</lastAzimuthLine><lastRangeSample>{last_col}</lastRangeSample></swathBounds>"
    )
