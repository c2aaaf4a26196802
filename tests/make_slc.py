"""Small SLC products, sampled from one known field over azimuth time and slant range time, as their bursts see it.

Element names and their order are those of real products (S1B_IW_SLC__1SDV_20210401T052622_..._EFA4 and others); what
rfiscan does not read is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.control import GroundControlPoint
from rasterio.windows import Window

from tests.make_calibration import Tables, calibration_xml, noise_xml

SLC_PRODUCT = "S1B_IW_SLC__1SDV_20240203T043109_20240203T043136_026269_032297_EFA4"
FIRST_TIME = datetime(2024, 2, 3, 4, 31, 9, 448219)
FIRST_SLANT_S = 5.343035814454385e-03
LINE_INTERVAL_S = 2.055556299999998e-03
SAMPLING_HZ = 6.434523812571428e07
AZIMUTH_M, SLANT_M = 13.94, 2.329562
JUNK = 30000
"""What invalid samples hold, so that only the annotation tells that they are: products have zeros, and fading lines."""
BAND_LINES = 512

Ints: TypeAlias = NDArray[np.int64]
Field: TypeAlias = Callable[[str, Ints, Ints], NDArray[np.complexfloating]]
LonLat: TypeAlias = Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]


@dataclass(frozen=True, kw_only=True)
class SlcBurst:
    """A burst: the row of the common grid that its first line samples, and the valid samples of each line."""

    row: int
    first_valid: Ints
    last_valid: Ints


@dataclass(frozen=True, kw_only=True)
class SlcSwath:
    """The image of a sub-swath: the column of the common grid that its first sample lies at, its samples, bursts."""

    name: str
    col: int
    samples: int
    incidence_deg: float
    bursts: tuple[SlcBurst, ...]

    @property
    def lines_per_burst(self) -> int:
        return len(self.bursts[0].first_valid)


def burst(row: int, lines: int, valid: tuple[int, int], cols: tuple[int, int]) -> SlcBurst:
    """A burst whose lines valid[0]..valid[1]-1 are valid from sample cols[0] to cols[1]-1."""
    first, last = np.full(lines, -1), np.full(lines, -1)
    first[valid[0] : valid[1]], last[valid[0] : valid[1]] = cols[0], cols[1] - 1
    return SlcBurst(row=row, first_valid=first, last_valid=last)


def regular_layout(*, bursts: int = 4, lines: int = 40, cycle: int = 32, mode: str = "IW") -> list[SlcSwath]:
    """Sub-swaths as in IW: each burst shows the end of the one before, sub-swaths overlap and begin at times apart."""
    starts, cols, incidences = (20, 0, 9), (0, 50, 98), (33.9, 39.3, 44.1)
    return [
        SlcSwath(
            name=f"{mode}{number}",
            col=cols[number - 1],
            samples=60,
            incidence_deg=incidences[number - 1],
            bursts=tuple(
                burst(starts[number - 1] + cycle * k, lines, (2, lines - 1), (3 if k < 2 else 4, 58))
                for k in range(bursts)
            ),
        )
        for number in (1, 2, 3)
    ]


def known_field(polarization: str, rows: Ints, cols: Ints) -> NDArray[np.complexfloating]:
    """A sample of every row and column of the common grid that few others have; none is zero."""
    shift = {"VV": 0, "VH": 17, "HH": 5, "HV": 29}[polarization]
    return (1 + (3 * rows + 7 * cols + shift) % 97) + 1j * ((5 * rows + 11 * cols + shift) % 89)


def known_power(polarization: str, rows: Ints, cols: Ints) -> NDArray[np.float64]:
    """Power of the known field."""
    samples = known_field(polarization, rows, cols)
    return samples.real**2 + samples.imag**2


def ground_lonlat(rows: NDArray, cols: NDArray) -> tuple[NDArray, NDArray]:
    """Where a place of the common grid lies: columns get narrower on the ground towards far range."""
    north_m = -AZIMUTH_M * np.asarray(rows, float)
    east_m = 4.6 * np.asarray(cols, float) - 3e-3 * np.asarray(cols, float) ** 2 + 0.15 * north_m
    latitude = 45.0 + north_m / 111_195.0
    return 10.0 + east_m / (111_195.0 * np.cos(np.radians(latitude))), latitude


def make_slc(
    folder: Path,
    swaths: Sequence[SlcSwath] | None = None,
    *,
    name: str = SLC_PRODUCT,
    mode: str = "IW",
    polarizations: Sequence[str] = ("VV", "VH"),
    field: Field = known_field,
    lonlat: LonLat = ground_lonlat,
    steps: tuple[float, float] = (LINE_INTERVAL_S, SAMPLING_HZ),
    spacing_m: tuple[float, float] = (AZIMUTH_M, SLANT_M),
    tables: Mapping[tuple[str, str], Tables] | None = None,
    rfi: Mapping[tuple[str, str], str] | None = None,
    bursts: bool = True,
    measurements: bool = True,
    junk: int = JUNK,
) -> Path:
    """Write an SLC product and return its folder.

    Args:
        folder: Where to put it.
        swaths: Layout; None for `regular_layout`.
        name: Name of the product, without .SAFE.
        mode: IW, EW, S3, WV.
        polarizations: One or two.
        field: Sample of each place of the common grid: polarization, rows, columns -> complex integers.
        lonlat: Where places of the common grid lie.
        steps: Seconds between lines, samples in a second.
        spacing_m: (azimuth, slant range).
        tables: Look-up tables by sub-swath and polarization; None writes none.
        rfi: ESA's interference annotation by sub-swath and polarization.
        bursts: False for stripmap: the burst list is empty.
        measurements: False leaves the TIFFs out.
        junk: What invalid samples hold.
    """
    swaths = regular_layout() if swaths is None else swaths
    safe = folder / f"{name}.SAFE"
    for part in ("annotation/calibration", "annotation/rfi", "measurement"):
        (safe / part).mkdir(parents=True)
    (safe / "manifest.safe").write_text('<?xml version="1.0"?><XFDU>Sentinel-1 SLC</XFDU>')
    number = 0
    for polarization in polarizations:
        for swath in swaths:
            number += 1
            stem = slc_stem(swath.name, polarization, number)
            xml = _annotation(swath, polarization, mode, steps, spacing_m, lonlat, bursts=bursts)
            (safe / f"annotation/{stem}.xml").write_text(xml)
            if tables is not None:
                own = tables[swath.name, polarization]
                (safe / f"annotation/calibration/calibration-{stem}.xml").write_text(calibration_xml(own))
                (safe / f"annotation/calibration/noise-{stem}.xml").write_text(noise_xml(own))
            if rfi is not None and (swath.name, polarization) in rfi:
                (safe / f"annotation/rfi/rfi-{stem}.xml").write_text(rfi[swath.name, polarization])
            if measurements:
                _write_image(safe / f"measurement/{stem}.tiff", swath, polarization, field, junk)
    return safe


def slc_stem(swath: str, polarization: str, number: int) -> str:
    """Name of the files of an image, without suffix."""
    times = "20240203t043109-20240203t043136"
    return f"s1b-{swath.lower()}-slc-{polarization.lower()}-{times}-026269-032297-{number:03d}"


def _write_image(path: Path, swath: SlcSwath, polarization: str, field: Field, junk: int) -> None:
    lines = swath.lines_per_burst
    cols = swath.col + np.arange(swath.samples)
    profile = {"driver": "GTiff", "dtype": "complex_int16", "blockysize": 1, "BIGTIFF": "IF_SAFER", "crs": "EPSG:4326"}
    size = {"width": swath.samples, "height": lines * len(swath.bursts), "count": 1}
    gcps = [GroundControlPoint(row=r, col=c, x=10.0 + 1e-5 * c, y=45.0 - 1e-5 * r) for r in (0, 9) for c in (0, 9)]
    with rasterio.open(path, "w", gcps=gcps, **profile, **size) as t:
        for number, one in enumerate(swath.bursts):
            for start in range(0, lines, BAND_LINES):
                stop = min(start + BAND_LINES, lines)
                rows = one.row + np.arange(start, stop)
                values = field(polarization, rows[:, None], cols[None]).astype(np.complex64)
                at = np.arange(swath.samples)
                invalid = (at < one.first_valid[start:stop, None]) | (at > one.last_valid[start:stop, None])
                invalid |= one.first_valid[start:stop, None] < 0
                values[invalid] = junk
                t.write(values, 1, window=Window(0, number * lines + start, swath.samples, stop - start))


def time_of_row(row: float, interval_s: float = LINE_INTERVAL_S) -> datetime:
    """Azimuth time of a row of the common grid, rounded to microseconds as annotations have it."""
    return FIRST_TIME + timedelta(microseconds=round(1e6 * row * interval_s))


def _stamp(time: datetime) -> str:
    return time.isoformat(timespec="microseconds")


def _annotation(
    swath: SlcSwath,
    polarization: str,
    mode: str,
    steps: tuple[float, float],
    spacing_m: tuple[float, float],
    lonlat: LonLat,
    *,
    bursts: bool,
) -> str:
    interval_s, sampling_hz = steps
    lines = swath.lines_per_burst
    height = lines * len(swath.bursts)
    first, last = swath.bursts[0].row, swath.bursts[-1].row + lines - 1
    times = [_stamp(time_of_row(row, interval_s)) for row in (first, last)]
    slant_s = FIRST_SLANT_S + swath.col / sampling_hz
    timing = "<linesPerBurst>0</linesPerBurst><samplesPerBurst>0</samplesPerBurst><burstList count='0'/>"
    if bursts:
        items = "".join(_burst_xml(one, interval_s) for one in swath.bursts)
        timing = (
            f"<linesPerBurst>{lines}</linesPerBurst><samplesPerBurst>{swath.samples}</samplesPerBurst>"
            f'<burstList count="{len(swath.bursts)}">{items}</burstList>'
        )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><product><adsHeader><missionId>S1B</missionId>'
        f"<productType>SLC</productType><polarisation>{polarization}</polarisation><mode>{mode}</mode>"
        f"<swath>{swath.name}</swath><startTime>{times[0]}</startTime><stopTime>{times[1]}</stopTime>"
        f"<absoluteOrbitNumber>26269</absoluteOrbitNumber></adsHeader>"
        f"<generalAnnotation><productInformation><pass>Descending</pass><projection>Slant Range</projection>"
        f"<rangeSamplingRate>{sampling_hz:.15e}</rangeSamplingRate></productInformation></generalAnnotation>"
        f"<imageAnnotation><imageInformation><productFirstLineUtcTime>{times[0]}</productFirstLineUtcTime>"
        f"<productLastLineUtcTime>{times[1]}</productLastLineUtcTime><slantRangeTime>{slant_s:.15e}</slantRangeTime>"
        f"<pixelValue>Complex</pixelValue><outputPixels>16 bit Signed Integer</outputPixels>"
        f"<rangePixelSpacing>{spacing_m[1]:.6e}</rangePixelSpacing>"
        f"<azimuthPixelSpacing>{spacing_m[0]:.6e}</azimuthPixelSpacing>"
        f"<azimuthTimeInterval>{interval_s:.15e}</azimuthTimeInterval>"
        f"<numberOfSamples>{swath.samples}</numberOfSamples><numberOfLines>{height}</numberOfLines>"
        f"<incidenceAngleMidSwath>{swath.incidence_deg:.15e}</incidenceAngleMidSwath></imageInformation>"
        f"</imageAnnotation><swathTiming>{timing}</swathTiming>"
        f"<geolocationGrid><geolocationGridPointList>{_grid_xml(swath, lonlat, bursts=bursts)}"
        f"</geolocationGridPointList></geolocationGrid>"
        f"<coordinateConversion><coordinateConversionList count='0'/></coordinateConversion>"
        f"<swathMerging><swathMergeList count='0'/></swathMerging></product>"
    )


def _burst_xml(one: SlcBurst, interval_s: float) -> str:
    time = _stamp(time_of_row(one.row, interval_s))
    first, last = (" ".join(map(str, values)) for values in (one.first_valid, one.last_valid))
    count = len(one.first_valid)
    return (
        f"<burst><azimuthTime>{time}</azimuthTime><azimuthAnxTime>2.2e+03</azimuthAnxTime>"
        f"<sensingTime>{time}</sensingTime><byteOffset>109013</byteOffset>"
        f'<firstValidSample count="{count}">{first}</firstValidSample>'
        f'<lastValidSample count="{count}">{last}</lastValidSample></burst>'
    )


def grid_places(swath: SlcSwath, *, bursts: bool = True) -> list[tuple[int, int, int, int]]:
    """Line, sample, row and column of the geolocation grid: the first line of each burst, and the last of the image."""
    lines = swath.lines_per_burst
    if bursts:
        at = [(k * lines, one.row) for k, one in enumerate(swath.bursts)]
    else:
        at = [(line, swath.bursts[0].row + line) for line in range(0, lines - 1, max(1, lines // 9))]
    at.append((lines * len(swath.bursts) - 1, swath.bursts[-1].row + lines - 1))
    samples = np.unique(np.linspace(0, swath.samples - 1, 21).round().astype(int))
    return [(line, int(sample), row, swath.col + int(sample)) for line, row in at for sample in samples]


def _grid_xml(swath: SlcSwath, lonlat: LonLat, *, bursts: bool) -> str:
    points = []
    for line, sample, row, col in grid_places(swath, bursts=bursts):
        lon, lat = lonlat(np.array(row), np.array(col))
        points.append(
            f"<geolocationGridPoint><line>{line}</line><pixel>{sample}</pixel><latitude>{float(lat):.15e}</latitude>"
            f"<longitude>{float(lon):.15e}</longitude><height>0.0</height></geolocationGridPoint>"
        )
    return "".join(points)
