"""Synthetic interference annotation, as ESA's processor writes it from IPF 3.40 on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

CYCLE_S = 2.76
NOISE_LAG_S = 1.1  # from the first azimuth time of a burst to its noise measurement


@dataclass(frozen=True, kw_only=True)
class Burst:
    """A burst report and the noise report that belongs to it.

    `noise` says whether interference is in the noise, None leaves the noise report out; `time` is the largest share
    of affected samples of a line, `frequency` the share of blocks with lasting interference, both in percent, None
    leaves that part of the report out.
    """

    swath: str
    start: datetime
    noise: bool | None = False
    time: float | None = None
    frequency: float | None = None
    ratio: float = 1.05


@dataclass(frozen=True, kw_only=True)
class Annotated:
    """What goes into one file; `extra` is XML to be appended."""

    bursts: tuple[Burst, ...]
    mitigation: str = "None"
    extra: str = ""
    header: Mapping[str, Any] = field(default_factory=dict)


def bursts_of(swath: str, first: datetime, count: int, **facts: Any) -> tuple[Burst, ...]:
    """Return bursts of one sub-swath, a cycle apart."""
    return tuple(Burst(swath=swath, start=first + timedelta(seconds=CYCLE_S * i), **facts) for i in range(count))


def rfi_xml(polarization: str, annotated: Annotated) -> str:
    """Return the annotation of one polarization."""
    header = {
        "missionId": "S1A", "productType": "GRD", "polarisation": polarization, "mode": "IW", "swath": "IW",
        "startTime": "2024-02-03T04:31:09.448219", "stopTime": "2024-02-03T04:31:34.447735",
        "absoluteOrbitNumber": 52345, "missionDataTakeId": 414015, "imageNumber": "001", **annotated.header,
    }  # fmt: skip
    noise = [_noise(burst) for burst in annotated.bursts if burst.noise is not None]
    return _element(
        "rfi",
        _element("adsHeader", *(_element(name, str(value)) for name, value in header.items())),
        _element("rfiMitigationApplied", annotated.mitigation),
        _listed("rfiDetectionFromNoiseReportList", noise),
        _listed("rfiBurstReportList", [_burst(burst) for burst in annotated.bursts]),
        annotated.extra,
    )


def _noise(burst: Burst) -> str:
    sensed = burst.start + timedelta(seconds=NOISE_LAG_S)
    return _element(
        "rfiDetectionFromNoiseReport",
        _element("swath", burst.swath),
        _element("noiseSensingTime", sensed.isoformat(timespec="microseconds")),
        _element("rfiDetected", "true" if burst.noise else "false"),
        _element("maxKLDivergence", "2.999700e+05" if burst.noise else "3.975761e+00"),
        _element("maxFisherZ", "6.397551e+01" if burst.noise else "4.091689e+00"),
        _element("maxRfiPsd", "3.459219e+01" if burst.noise else "0.000000e+00"),
    )


def _burst(burst: Burst) -> str:
    parts = [
        _element("swath", burst.swath),
        _element("azimuthTime", burst.start.isoformat(timespec="microseconds")),
        _element("inBandOutBandPowerRatio", f"{burst.ratio:.6e}"),
    ]
    if burst.time is not None:
        shares = {"percentageAffectedLines": 12.5, "avgPercentageAffectedSamples": burst.time / 4}
        shares["maxPercentageAffectedSamples"] = burst.time
        parts.append(_element("timeDomainRfiReport", *(_element(name, f"{v:.6e}") for name, v in shares.items())))
    if burst.frequency is not None:
        isolated = _element("percentageAffectedLines", "9.5e+01") + _element("maxPercentageAffectedBW", "3.5e+00")
        parts.append(
            _element(
                "frequencyDomainRfiBurstReport",
                _element("numSubBlocks", "3"),
                _element("subBlockSize", "537"),
                _element("isolatedRfiReport", isolated),
                _element("percentageBlocksPersistentRfi", f"{burst.frequency:.6e}"),
                _element("maxPercentageBWAffectedPersistentRfi", f"{burst.frequency / 10:.6e}"),
            )
        )
    return _element("rfiBurstReport", *parts)


def _element(name: str, *inside: str) -> str:
    return f"<{name}>{''.join(inside)}</{name}>"


def _listed(name: str, items: Iterable[str]) -> str:
    inside = list(items)
    return f'<{name} count="{len(inside)}">{"".join(inside)}</{name}>'
