"""ESA's own interference annotation: annotation/rfi/rfi-*.xml, one file per polarization, of IPF 3.40 and later.

Fields as in the Sentinel-1 Product Specification, S1-RS-MDA-52-7441, issue 3.9, and in six real files of IPF 3.52. What
the processor does is told by "Sentinel-1: Using the RFI annotations", DI-MPC-OTH-0540: it looks for interference in the
noise measurements, radar echoes without a transmitted pulse, and where it finds any (or always, or never, as it is
configured) searches the raw lines in time and frequency and takes the interference out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from xml.etree.ElementTree import Element

from rfiscan.scenes.xml_values import optional, parse_xml, required, to_flag, to_time, whole_document

NOT_MITIGATED = "None"


@dataclass(frozen=True, slots=True, kw_only=True)
class RfiHeader:
    """What the file belongs to; None where it does not say.

    Attributes:
        polarization: VV, VH, HH or HV.
        mission: Such as S1A.
        product_type: Such as GRD.
        mode: Such as IW.
        swath: Such as IW of a merged product, IW1 of one sub-swath.
        start_time: First zero-Doppler time, UTC.
        stop_time: Last zero-Doppler time, UTC.
        absolute_orbit: Number of the orbit.
        data_take: Number of the data take.
        image: Number of the image in the product, from 1.
    """

    polarization: str
    mission: str | None
    product_type: str | None
    mode: str | None
    swath: str | None
    start_time: datetime | None
    stop_time: datetime | None
    absolute_orbit: int | None
    data_take: int | None
    image: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseReport:
    """What one noise measurement of one sub-swath tells.

    Attributes:
        sub_swath: Such as IW2.
        sensing_time: When it was received, UTC. This is not a zero-Doppler time.
        rfi_detected: Whether the processor found interference in it.
        max_kl_divergence: Largest Kullback-Leibler divergence of its spectrum from thermal noise; None if unsaid.
        max_fisher_z: Largest Fisher Z of its spectrum; None if unsaid.
        max_rfi_psd: Largest power spectral density of what was found, 0 where nothing was; None if unsaid.
    """

    sub_swath: str
    sensing_time: datetime
    rfi_detected: bool
    max_kl_divergence: float | None
    max_fisher_z: float | None
    max_rfi_psd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeDomainReport:
    """What the search in time found in the raw lines of a burst; each 0..100, None if unsaid.

    Attributes:
        affected_lines_percent: Share of lines with interference.
        mean_affected_samples_percent: Share of samples with interference in such lines, on average.
        max_affected_samples_percent: The same in the worst line.
    """

    affected_lines_percent: float | None
    mean_affected_samples_percent: float | None
    max_affected_samples_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FrequencyDomainReport:
    """What the search in frequency found in the raw lines of a burst; percentages 0..100, None if unsaid.

    Attributes:
        sub_blocks: Blocks of lines that the burst was cut into.
        sub_block_size: Their size; 3 of 537 in IW1, so probably raw lines, which overlap.
        isolated_affected_lines_percent: Share of lines with interference of their own.
        isolated_max_bandwidth_percent: Share of the bandwidth that such interference takes, in the worst line.
        persistent_blocks_percent: Share of blocks with interference that lasts.
        persistent_max_bandwidth_percent: Share of the bandwidth that it takes, in the worst block.
    """

    sub_blocks: int | None
    sub_block_size: int | None
    isolated_affected_lines_percent: float | None
    isolated_max_bandwidth_percent: float | None
    persistent_blocks_percent: float | None
    persistent_max_bandwidth_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BurstReport:
    """What the processor tells of one burst.

    Attributes:
        sub_swath: Such as IW2.
        azimuth_time: Zero-Doppler time of its first line, UTC.
        in_out_band_power_ratio: Power inside the band of the chirp over power outside; None if unsaid.
        time_domain: None where the processor did not search in time.
        frequency_domain: None where it did not search in frequency.
    """

    sub_swath: str
    azimuth_time: datetime
    in_out_band_power_ratio: float | None
    time_domain: TimeDomainReport | None
    frequency_domain: FrequencyDomainReport | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockReport:
    """What the processor tells of one block of lines, where the mode has no bursts (SM, WV).

    Attributes:
        domain: Which search it is of.
        values: Path below the report, and text, of each element that holds one; in the order of the file.
    """

    domain: Literal["time", "frequency"]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RfiAnnotation:
    """One file, whole.

    Attributes:
        header: What it belongs to.
        mitigation: How interference was taken out of the image: None, Time, Frequency or TimeFrequency, as the file
            writes it; None of Python if it does not say.
        noise_reports: In the order of the file.
        burst_reports: In the order of the file.
        block_reports: Those in time, then those in frequency.
    """

    header: RfiHeader
    mitigation: str | None
    noise_reports: tuple[NoiseReport, ...]
    burst_reports: tuple[BurstReport, ...]
    block_reports: tuple[BlockReport, ...]

    @property
    def is_mitigated(self) -> bool:
        """Whether interference was taken out of the image."""
        return self.mitigation not in {None, NOT_MITIGATED}


def parse_rfi_annotation(xml: bytes, label: str) -> RfiAnnotation:
    """Parse an interference annotation.

    Args:
        xml: The file.
        label: How messages call it.

    Raises:
        SceneError: It is not a whole interference annotation.
    """
    with whole_document(label, "interference annotation"):
        root = parse_xml(xml)
        if root.tag != "rfi":
            msg = f"its root is {root.tag}, not rfi"
            raise ValueError(msg)
        noise = root.iterfind("rfiDetectionFromNoiseReportList/rfiDetectionFromNoiseReport")
        return RfiAnnotation(
            header=_header(root),
            mitigation=optional(root, "rfiMitigationApplied", str),
            noise_reports=tuple(_noise_report(report) for report in noise),
            burst_reports=tuple(_burst_report(r) for r in root.iterfind("rfiBurstReportList/rfiBurstReport")),
            block_reports=(
                *_block_reports(root, "timeDomainRfiBlockReportList", "time"),
                *_block_reports(root, "frequencyDomainRfiBlockReportList", "frequency"),
            ),
        )


def _header(root: Element) -> RfiHeader:
    return RfiHeader(
        polarization=required(root, "adsHeader/polarisation", str).upper(),
        mission=optional(root, "adsHeader/missionId", str),
        product_type=optional(root, "adsHeader/productType", str),
        mode=optional(root, "adsHeader/mode", str),
        swath=optional(root, "adsHeader/swath", str),
        start_time=optional(root, "adsHeader/startTime", to_time),
        stop_time=optional(root, "adsHeader/stopTime", to_time),
        absolute_orbit=optional(root, "adsHeader/absoluteOrbitNumber", int),
        data_take=optional(root, "adsHeader/missionDataTakeId", int),
        image=optional(root, "adsHeader/imageNumber", int),
    )


def _noise_report(report: Element) -> NoiseReport:
    return NoiseReport(
        sub_swath=required(report, "swath", str),
        sensing_time=required(report, "noiseSensingTime", to_time),
        rfi_detected=required(report, "rfiDetected", to_flag),
        max_kl_divergence=optional(report, "maxKLDivergence", float),
        max_fisher_z=optional(report, "maxFisherZ", float),
        max_rfi_psd=optional(report, "maxRfiPsd", float),
    )


def _burst_report(report: Element) -> BurstReport:
    in_time, in_frequency = report.find("timeDomainRfiReport"), report.find("frequencyDomainRfiBurstReport")
    return BurstReport(
        sub_swath=required(report, "swath", str),
        azimuth_time=required(report, "azimuthTime", to_time),
        in_out_band_power_ratio=optional(report, "inBandOutBandPowerRatio", float),
        time_domain=None if in_time is None else _time_domain(in_time),
        frequency_domain=None if in_frequency is None else _frequency_domain(in_frequency),
    )


def _time_domain(report: Element) -> TimeDomainReport:
    return TimeDomainReport(
        affected_lines_percent=optional(report, "percentageAffectedLines", float),
        mean_affected_samples_percent=optional(report, "avgPercentageAffectedSamples", float),
        max_affected_samples_percent=optional(report, "maxPercentageAffectedSamples", float),
    )


def _frequency_domain(report: Element) -> FrequencyDomainReport:
    return FrequencyDomainReport(
        sub_blocks=optional(report, "numSubBlocks", int),
        sub_block_size=optional(report, "subBlockSize", int),
        isolated_affected_lines_percent=optional(report, "isolatedRfiReport/percentageAffectedLines", float),
        isolated_max_bandwidth_percent=optional(report, "isolatedRfiReport/maxPercentageAffectedBW", float),
        persistent_blocks_percent=optional(report, "percentageBlocksPersistentRfi", float),
        persistent_max_bandwidth_percent=optional(report, "maxPercentageBWAffectedPersistentRfi", float),
    )


def _block_reports(root: Element, name: str, domain: Literal["time", "frequency"]) -> list[BlockReport]:
    return [BlockReport(domain=domain, values=tuple(_texts(report))) for report in root.iterfind(f"{name}/*")]


def _texts(element: Element, path: str = "") -> Iterator[tuple[str, str]]:
    for child in element:
        below = f"{path}{child.tag}"
        text = (child.text or "").strip()
        if text:
            yield below, text
        yield from _texts(child, f"{below}/")
