"""ESA's verdict on a product, for the records of `info` and `detect`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rfiscan.scenes.esa_bursts import MIN_AFFECTED_SAMPLES_PERCENT, EsaBurst, esa_bursts
from rfiscan.scenes.product import Product
from rfiscan.scenes.rfi_annotation import RfiAnnotation

NO_PRODUCT = "no annotation: only a Sentinel-1 product (SAFE folder or zip) carries ESA's verdict"


def why_no_verdict(product: Product | None) -> str | None:
    """Say why there is no verdict of ESA's; None where there is one.

    Args:
        product: The product that the scene is of; None if it is of none.
    """
    if product is None:
        return NO_PRODUCT
    return product.no_rfi_reason or None


def verdict_summary(product: Product) -> dict[str, Any]:
    """Say what ESA's annotation tells of the whole product.

    Args:
        product: It has the annotation.

    Returns:
        `mitigated` (whether interference was taken out of any polarization), `mitigation_policy` (when the processor
        was to do so), `time_rule_percent` (see `MIN_AFFECTED_SAMPLES_PERCENT`), and `polarizations`: of each, how it
        was mitigated and how many reports there are.
    """
    policies = (image.rfi_mitigation_performed for image in product.images)
    return {
        "ipf_version": product.ipf_version,
        "mitigated": any(annotation.is_mitigated for annotation in product.rfi.values()),
        "mitigation_policy": next((policy for policy in policies if policy is not None), None),
        "time_rule_percent": MIN_AFFECTED_SAMPLES_PERCENT,
        "polarizations": {name: _annotation_summary(annotation) for name, annotation in product.rfi.items()},
    }


def verdict_record(product: Product) -> dict[str, Any]:
    """Say all that ESA's annotation tells of a product.

    Args:
        product: It has the annotation.

    Returns:
        What `verdict_summary` says; the number of `bursts_with_rfi`; `bursts`, each with all of its reports; and
        `block_reports` by polarization, of modes that have no bursts.
    """
    bursts = esa_bursts(product.rfi)
    return {
        **verdict_summary(product),
        "bursts_with_rfi": sum(burst.esa_found is True for burst in bursts),
        "bursts": [{**burst_facts(burst), "reports": _reports(burst)} for burst in bursts],
        "block_reports": {
            name: [{"domain": block.domain, "values": [list(pair) for pair in block.values]} for block in found]
            for name, annotation in product.rfi.items()
            if (found := annotation.block_reports)
        },
    }


def burst_facts(burst: EsaBurst) -> dict[str, Any]:
    """Say which burst it is, and whether and why ESA sees interference in it."""
    return {
        "sub_swath": burst.sub_swath,
        "burst": burst.number,
        "azimuth_time": burst.azimuth_time.isoformat(timespec="microseconds"),
        "esa_found": burst.esa_found,
        "esa_grounds": burst.grounds,
    }


def _annotation_summary(annotation: RfiAnnotation) -> dict[str, Any]:
    return {
        "mitigation": annotation.mitigation,
        "noise_reports": len(annotation.noise_reports),
        "noise_reports_with_rfi": sum(report.rfi_detected for report in annotation.noise_reports),
        "burst_reports": len(annotation.burst_reports),
        "block_reports": len(annotation.block_reports),
    }


def _reports(burst: EsaBurst) -> Mapping[str, Any]:
    names = dict.fromkeys([*burst.reports, *burst.noise])
    return {name: _of_polarization(burst, name) for name in names}


def _of_polarization(burst: EsaBurst, name: str) -> dict[str, Any]:
    own = {key: value for key, value in asdict(burst.reports[name]).items() if key not in {"sub_swath", "azimuth_time"}}
    noise = [asdict(report) for report in burst.noise.get(name, ())]
    for report in noise:
        del report["sub_swath"]
        report["sensing_time"] = report["sensing_time"].isoformat(timespec="microseconds")
    return {**own, "noise": noise}
