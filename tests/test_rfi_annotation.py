"""ESA's interference annotation: read whole, absent parts known as absent, damage named."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfiscan.errors import SceneError
from rfiscan.scenes.esa_bursts import MIN_AFFECTED_SAMPLES_PERCENT, esa_bursts
from rfiscan.scenes.image_annotation import parse_image_annotation
from rfiscan.scenes.product import read_product
from rfiscan.scenes.rfi_annotation import parse_rfi_annotation
from tests.make_rfi import Annotated, Burst, bursts_of, rfi_xml
from tests.make_scenes import PRODUCT, make_safe, zip_safe

START = datetime(2024, 2, 3, 4, 31, 9)


def parsed(annotated, polarization="VV"):
    return parse_rfi_annotation(rfi_xml(polarization, annotated).encode(), "rfi.xml")


def bursts_in(**by_polarization):
    return esa_bursts({name: parsed(Annotated(bursts=tuple(b)), name) for name, b in by_polarization.items()})


# the file


def test_every_value_of_the_file_is_read():
    annotation = parsed(
        Annotated(bursts=(Burst(swath="IW2", start=START, noise=True, time=40.0, frequency=25.0),), mitigation="Time")
    )
    assert annotation.header.polarization == "VV"
    assert (annotation.header.mission, annotation.header.mode, annotation.header.image) == ("S1A", "IW", 1)
    assert annotation.header.start_time == datetime(2024, 2, 3, 4, 31, 9, 448219)
    assert (annotation.header.absolute_orbit, annotation.header.data_take) == (52345, 414015)
    assert annotation.mitigation == "Time"
    assert annotation.is_mitigated
    (noise,), (burst,) = annotation.noise_reports, annotation.burst_reports
    assert (noise.sub_swath, noise.rfi_detected, noise.max_rfi_psd) == ("IW2", True, 34.59219)
    assert (noise.max_kl_divergence, noise.max_fisher_z) == (299970.0, 63.97551)
    assert (burst.sub_swath, burst.azimuth_time, burst.in_out_band_power_ratio) == ("IW2", START, 1.05)
    in_time, in_frequency = burst.time_domain, burst.frequency_domain
    assert in_time.affected_lines_percent == 12.5
    assert in_time.mean_affected_samples_percent == 10.0
    assert in_time.max_affected_samples_percent == 40.0
    assert (in_frequency.sub_blocks, in_frequency.sub_block_size) == (3, 537)
    assert in_frequency.isolated_affected_lines_percent == 95.0
    assert in_frequency.isolated_max_bandwidth_percent == 3.5
    assert in_frequency.persistent_blocks_percent == 25.0
    assert in_frequency.persistent_max_bandwidth_percent == 2.5


def test_absent_parts_are_absent_not_zero():
    xml = "<rfi><adsHeader><polarisation>vh</polarisation></adsHeader><rfiBurstReportList><rfiBurstReport>"
    xml += "<swath>IW1</swath><azimuthTime>2024-02-03T04:31:09.0</azimuthTime></rfiBurstReport></rfiBurstReportList>"
    annotation = parse_rfi_annotation(f"{xml}</rfi>".encode(), "rfi.xml")
    assert annotation.header.polarization == "VH"
    assert annotation.header.start_time is None
    assert annotation.mitigation is None
    assert not annotation.is_mitigated
    assert annotation.noise_reports == ()
    (burst,) = annotation.burst_reports
    assert burst.in_out_band_power_ratio is None
    assert burst.time_domain is None
    assert burst.frequency_domain is None


def test_blocks_of_modes_without_bursts_are_kept_as_they_are():
    extra = (
        "<timeDomainRfiBlockReportList><timeDomainRfiBlockReport><a>1</a></timeDomainRfiBlockReport>"
        "</timeDomainRfiBlockReportList><frequencyDomainRfiBlockReportList><frequencyDomainRfiBlockReport>"
        "<b><c>2</c><c>3</c></b></frequencyDomainRfiBlockReport></frequencyDomainRfiBlockReportList>"
    )
    in_time, in_frequency = parsed(Annotated(bursts=(), extra=extra)).block_reports
    assert (in_time.domain, in_time.values) == ("time", (("a", "1"),))
    assert (in_frequency.domain, in_frequency.values) == ("frequency", (("b/c", "2"), ("b/c", "3")))


WHOLE = rfi_xml("VV", Annotated(bursts=bursts_of("IW1", START, 2, time=1.0)))


@pytest.mark.parametrize(
    "damaged",
    [
        "",
        WHOLE[:300],
        WHOLE.replace("<rfiDetected>false", "<rfiDetected>perhaps"),
        WHOLE.replace("<azimuthTime>2024-02-03T", "<azimuthTime>2024-02-33T"),
        WHOLE.replace("<polarisation>VV</polarisation>", ""),
        WHOLE.replace("<swath>IW1</swath>", ""),
        WHOLE.replace("1.050000e+00", "much"),
        WHOLE.replace("rfi>", "noise>"),
        '<!DOCTYPE a [<!ENTITY b "cccc">]><rfi>&b;</rfi>',
    ],
)
def test_damage_is_an_error_that_names_the_file(damaged):
    assert damaged != WHOLE
    with pytest.raises(SceneError, match=r"rfi-iw-vv\.xml") as caught:
        parse_rfi_annotation(damaged.encode(), "rfi-iw-vv.xml")
    assert caught.value.hint


# bursts and what ESA says of them


@pytest.mark.parametrize(
    ("facts", "grounds"),
    [
        ({"noise": False}, []),
        ({"noise": True}, ["noise"]),
        ({"noise": None}, None),
        ({"noise": None, "time": 0.5}, []),
        ({"noise": False, "time": MIN_AFFECTED_SAMPLES_PERCENT}, []),
        ({"noise": False, "time": MIN_AFFECTED_SAMPLES_PERCENT + 0.01}, ["time"]),
        ({"noise": False, "frequency": 0.0}, []),
        ({"noise": None, "frequency": 33.3}, ["frequency"]),
        ({"noise": True, "time": 90.0, "frequency": 100.0}, ["noise", "frequency", "time"]),
    ],
)
def test_grounds(facts, grounds):
    (burst,) = bursts_in(VV=[Burst(swath="IW1", start=START, **facts)])
    assert burst.grounds == ({} if grounds is None else {"VV": grounds})
    assert burst.esa_found is (None if grounds is None else bool(grounds))


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.lists(st.booleans(), min_size=1, max_size=6))
def test_a_burst_has_interference_where_any_polarization_has(in_vv, in_vh):
    in_vh = (in_vh * len(in_vv))[: len(in_vv)]
    starts = [START + timedelta(seconds=2.76 * i) for i in range(len(in_vv))]
    shift = timedelta(milliseconds=1)
    bursts = bursts_in(
        VV=[Burst(swath="IW1", start=s, noise=n) for s, n in zip(starts, in_vv, strict=True)],
        VH=[Burst(swath="IW1", start=s + shift, noise=n) for s, n in zip(starts, in_vh, strict=True)],
    )
    assert [burst.esa_found for burst in bursts] == [a or b for a, b in zip(in_vv, in_vh, strict=True)]
    assert [burst.number for burst in bursts] == list(range(1, len(starts) + 1))
    assert [set(burst.reports) for burst in bursts] == [{"VV", "VH"}] * len(starts)


def test_noise_of_one_sub_swath_says_nothing_of_another():
    first, second = bursts_in(
        VV=[Burst(swath="IW1", start=START, noise=True), Burst(swath="IW2", start=START, noise=False)]
    )
    assert (first.sub_swath, first.esa_found) == ("IW1", True)
    assert (second.sub_swath, second.esa_found) == ("IW2", False)


def test_noise_before_the_first_burst_and_long_after_the_last_belongs_to_none():
    early = START - timedelta(seconds=2)
    late = START + timedelta(seconds=20)
    only_noise = [Burst(swath="IW1", start=start, noise=True) for start in (early, late)]
    annotated = parsed(Annotated(bursts=(Burst(swath="IW1", start=START), *only_noise)))
    kept = [report for report in annotated.burst_reports if report.azimuth_time == START]
    object.__setattr__(annotated, "burst_reports", tuple(kept))
    (burst,) = esa_bursts({"VV": annotated})
    assert burst.esa_found is False
    assert len(burst.noise["VV"]) == 1


# products


@pytest.mark.parametrize("layout", ["esa", "aws"])
def test_a_product_gives_its_annotation_in_every_form(tmp_path, layout):
    rfi = {name: rfi_xml(name, Annotated(bursts=bursts_of("IW1", START, 3))) for name in ("VV", "VH")}
    safe = make_safe(tmp_path, layout=layout, ipf="003.71", rfi=rfi, measurements=False)
    forms = [safe, safe / "manifest.safe", zip_safe(safe)]
    for path in forms:
        product = read_product(path)
        assert (product.name, product.resolution, product.ipf_version) == (PRODUCT, "H", "3.71")
        assert list(product.rfi) == ["VV", "VH"]
        assert product.no_rfi_reason == ""
        assert product.measurements == ()
        assert len(product.rfi["VH"].burst_reports) == 3
        assert [image.basic.polarization for image in product.images] == ["VV", "VH"]
        assert (product.images[0].mode, product.images[0].pass_direction) == ("IW", "Descending")


@pytest.mark.parametrize(
    ("ipf", "said"),
    [("002.70", "IPF 2.70 is older than 3.40"), ("003.39", "3.39 is older"), ("003.40", "lacks"), (None, "version")],
)
def test_absent_annotation_is_said_to_be_absent_and_why(tmp_path, ipf, said):
    product = read_product(make_safe(tmp_path, ipf=ipf))
    assert product.rfi == {}
    assert product.no_rfi_reason.startswith("no annotation")
    assert said in product.no_rfi_reason


def test_damaged_interference_annotation_does_not_hide_the_product(tmp_path):
    product = read_product(make_safe(tmp_path, ipf="003.71", rfi={"VV": "<rfi>"}))
    assert product.rfi == {}
    assert "rfi-s1a-iw-grd-vv" in product.no_rfi_reason
    assert len(product.images) == 2


def test_what_is_no_product_is_none(tmp_path):
    (tmp_path / "text.txt").write_text("no")
    assert read_product(tmp_path / "text.txt") is None
    assert read_product(tmp_path) is None


# real files


def annotations_of(folder):
    return read_product(next(folder)).rfi


@pytest.mark.real
def test_real_files_have_a_report_for_each_burst_and_noise_for_each_report(real_data):
    for folder in sorted(real_data.glob("safe/*")):
        product = read_product(folder)
        if not product.rfi:
            assert product.ipf_version == "2.70"
            continue
        assert product.ipf_version == "3.52"
        count = 22 if "_EW_" in product.name else 11
        names = [f"EW{i}" for i in range(1, 6)] if "_EW_" in product.name else ["IW1", "IW2", "IW3"]
        bursts = esa_bursts(product.rfi)
        assert Counter(burst.sub_swath for burst in bursts) == dict.fromkeys(names, count)
        for burst in bursts:
            assert set(burst.reports) == set(burst.noise) == set(product.rfi)
            assert all(1 <= len(reports) <= 2 for reports in burst.noise.values())
        for name, annotation in product.rfi.items():  # counted another way: straight from the XML
            (path,) = [p for p in (folder / "annotation/rfi").glob("*.xml") if f"-{name.lower()}" in p.name]
            tags = Counter(element.tag for element in ElementTree.parse(path).iter())
            assert len(annotation.noise_reports) == tags["rfiDetectionFromNoiseReport"]
            assert len(annotation.burst_reports) == tags["rfiBurstReport"]
            assert sum(r.time_domain is not None for r in annotation.burst_reports) == tags["timeDomainRfiReport"]


@pytest.mark.real
def test_every_real_detection_in_noise_belongs_to_a_burst(real_data):
    annotations = annotations_of(real_data.glob("safe/*0664.SAFE"))
    said = {
        (name, r.sub_swath, r.sensing_time)
        for name, a in annotations.items()
        for r in a.noise_reports
        if r.rfi_detected
    }
    told = {
        (name, report.sub_swath, report.sensing_time)
        for burst in esa_bursts(annotations)
        for name, reports in burst.noise.items()
        for report in reports
        if report.rfi_detected
    }
    assert told == said
    assert len(said) == 3
    assert {(name, swath) for name, swath, _ in said} == {("VV", "IW2"), ("VH", "IW2"), ("VH", "IW3")}


@pytest.mark.real
def test_real_verdicts(real_data):
    mitigated = annotations_of(real_data.glob("safe/*0664.SAFE"))
    assert {annotation.mitigation for annotation in mitigated.values()} == {"TimeFrequency"}
    found = [(b.sub_swath, b.number) for b in esa_bursts(mitigated) if b.esa_found]
    assert {("IW2", 11), ("IW3", 9)} <= set(found)
    for name in ("*861B.SAFE", "*BB15"):
        clean = annotations_of(real_data.glob(f"safe/{name}"))
        assert not any(annotation.is_mitigated for annotation in clean.values())
        assert {burst.esa_found for burst in esa_bursts(clean)} == {False}


@pytest.mark.real
def test_rows_follow_from_times_in_real_annotation(real_data):
    """The annotation gives the time of the first line of each block: an oracle for time to row."""
    for path in sorted(real_data.glob("safe/*/annotation/*.xml")):
        image = parse_image_annotation(path.read_bytes(), path.name)
        merge = ElementTree.parse(path).iterfind("swathMerging/swathMergeList/swathMerge/swathBoundsList/swathBounds")
        for bounds in merge:
            since_first = datetime.fromisoformat(bounds.findtext("azimuthTime")) - image.first_line_time
            row = since_first.total_seconds() / image.line_interval_s
            assert row == pytest.approx(int(bounds.findtext("firstAzimuthLine")), abs=0.01)
        last = (image.last_line_time - image.first_line_time).total_seconds() / image.line_interval_s
        assert last == pytest.approx(image.basic.shape[0] - 1, abs=0.01)
