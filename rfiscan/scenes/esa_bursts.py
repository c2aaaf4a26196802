"""ESA's verdict, burst by burst: which reports speak of a burst, and whether they speak of interference.

A burst has a report of its own, and it has noise reports. As the beam starts each burst looking back, the raw lines of
a burst are received after its first zero-Doppler time, and so is its noise: by 1.0 to 1.13 s in IW and 1.4 s in EW,
with the first raw line, and by 2.0 s in EW2, with the last (products 0664, 861B and BB15; bursts follow each other by
2.76 s in IW and 3.04 s in EW). So a noise report belongs to the last burst that began before its sensing time. What is
measured before the first burst of a data take, or after the last, may belong to none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from rfiscan.scenes.rfi_annotation import BurstReport, NoiseReport, RfiAnnotation

Ground: TypeAlias = Literal["noise", "frequency", "time"]

MIN_AFFECTED_SAMPLES_PERCENT = 10.0
"""A choice: the search in time found interference in a burst if a line has more affected samples than this.

The share of lines does not tell: in S1A_IW_GRDH_..._0664, where no stripe is visible, 43 of 66 reports have 1 to 75 %
of the lines affected. But in five a line has 11.9 to 89 % of its samples affected, in all others 4.6 % at most."""

SAME_BURST = timedelta(seconds=0.5)
"""Reports of polarizations whose times differ by less are of one burst; bursts are 2.7 s apart or more."""

LONGEST_LAG = timedelta(seconds=3.1)
"""A noise report later than this after the start of a burst does not belong to it: the cycle is 3.04 s in EW."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EsaBurst:
    """One burst of one sub-swath, in all polarizations.

    Attributes:
        sub_swath: Such as IW2.
        number: Counted from 1 in its sub-swath.
        azimuth_time: Zero-Doppler time of its first line, UTC.
        reports: Its burst report by polarization.
        noise: Its noise reports by polarization.
    """

    sub_swath: str
    number: int
    azimuth_time: datetime
    reports: Mapping[str, BurstReport]
    noise: Mapping[str, tuple[NoiseReport, ...]]

    @property
    def grounds(self) -> dict[str, list[Ground]]:
        """Why ESA sees interference, by polarization; a polarization on which it does not say is left out."""
        found = {}
        for polarization in dict.fromkeys([*self.reports, *self.noise]):
            said = _grounds(self.reports.get(polarization), self.noise.get(polarization, ()))
            if said is not None:
                found[polarization] = said
        return found

    @property
    def esa_found(self) -> bool | None:
        """Whether ESA sees interference in any polarization; None where it does not say."""
        grounds = self.grounds
        return any(grounds.values()) if grounds else None


def esa_bursts(annotations: Mapping[str, RfiAnnotation]) -> list[EsaBurst]:
    """Return the bursts that have reports, by sub-swath and time.

    Args:
        annotations: By polarization.
    """
    reports: dict[str, list[dict[str, BurstReport]]] = defaultdict(list)
    for polarization, annotation in annotations.items():
        for report in annotation.burst_reports:
            _same_burst(reports[report.sub_swath], report)[polarization] = report
    bursts = []
    for sub_swath in sorted(reports):
        ordered = sorted(reports[sub_swath], key=_time_of)
        starts = [_time_of(burst) for burst in ordered]
        noise = {pol: _noise_by_burst(a.noise_reports, sub_swath, starts) for pol, a in annotations.items()}
        bursts += [
            EsaBurst(
                sub_swath=sub_swath,
                number=index + 1,
                azimuth_time=start,
                reports=burst,
                noise={pol: tuple(by_burst[index]) for pol, by_burst in noise.items() if index in by_burst},
            )
            for index, (start, burst) in enumerate(zip(starts, ordered, strict=True))
        ]
    return bursts


def _grounds(report: BurstReport | None, noise: Iterable[NoiseReport]) -> list[Ground] | None:
    noise = tuple(noise)
    in_time = None if report is None else report.time_domain
    in_frequency = None if report is None else report.frequency_domain
    if not noise and in_time is None and in_frequency is None:
        return None
    grounds: list[Ground] = []
    if any(measurement.rfi_detected for measurement in noise):
        grounds.append("noise")
    if in_frequency is not None and (in_frequency.persistent_blocks_percent or 0.0) > 0:
        grounds.append("frequency")
    if in_time is not None and (in_time.max_affected_samples_percent or 0.0) > MIN_AFFECTED_SAMPLES_PERCENT:
        grounds.append("time")
    return grounds


def _same_burst(bursts: list[dict[str, BurstReport]], report: BurstReport) -> dict[str, BurstReport]:
    """Return the burst of a report among those known, or a new one."""
    for burst in bursts:
        if abs(_time_of(burst) - report.azimuth_time) < SAME_BURST:
            return burst
    bursts.append({})
    return bursts[-1]


def _time_of(burst: Mapping[str, BurstReport]) -> datetime:
    return next(iter(burst.values())).azimuth_time


def _noise_by_burst(
    noise: Iterable[NoiseReport], sub_swath: str, starts: list[datetime]
) -> dict[int, list[NoiseReport]]:
    """Return the noise reports of each burst by its index; those of no burst are left out."""
    found: dict[int, list[NoiseReport]] = defaultdict(list)
    for report in noise:
        before = [index for index, start in enumerate(starts) if start <= report.sensing_time]
        if report.sub_swath == sub_swath and before and report.sensing_time - starts[before[-1]] <= LONGEST_LAG:
            found[before[-1]].append(report)
    return found
