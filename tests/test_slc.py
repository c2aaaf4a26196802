"""SLC products: one scene without seams, in which every pixel is what the known field has at its time and range."""

from __future__ import annotations

import json
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.detections.circumstances import sub_swaths_of
from rfiscan.errors import SceneError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from rfiscan.scenes.georeferencing import earth_centred
from rfiscan.scenes.product import read_product
from rfiscan.sentinel1.bursts import MIN_FLAGGED_SHARE
from rfiscan.sentinel1.sigma_nought import AzimuthBlock
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.detecting.circumstances import acquisition_on
from rfiscan.workflows.detecting.esa_comparison import Flagged, compare_with_esa
from tests.make_calibration import Tables, draw_tables, naive_sigma_nought, vector
from tests.make_rfi import Annotated, Burst, rfi_xml
from tests.make_scenes import zip_safe
from tests.make_slc import (
    AZIMUTH_M,
    LINE_INTERVAL_S,
    SLANT_M,
    SLC_PRODUCT,
    SlcSwath,
    burst,
    grid_places,
    ground_lonlat,
    known_power,
    make_slc,
    regular_layout,
    time_of_row,
)

BOTH = ("VV", "VH")


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


def told(scene):
    points = [(point.row, point.col, point.x, point.y) for point in scene.georeferencing.gcps]
    return scene.shape, scene.spacing_m, scene.swaths, scene.polarizations, points


def seen_by(swaths):
    """Valid places of the common grid, bool, and its first row and column of them."""
    height = max(one.row + len(one.first_valid) for swath in swaths for one in swath.bursts)
    seen = np.zeros((height, max(swath.col + swath.samples for swath in swaths)), bool)
    for swath in swaths:
        for one in swath.bursts:
            for line, (first, last) in enumerate(zip(one.first_valid, one.last_valid, strict=True)):
                if first >= 0:
                    seen[one.row + line, swath.col + first : swath.col + last + 1] = True
    return seen, np.flatnonzero(seen.any(axis=1))[0], np.flatnonzero(seen.any(axis=0))[0]


def expected(swaths, shape):
    """Power (2, H, W) of the known field on the merged grid, and where a burst has seen it."""
    seen, top, left = seen_by(swaths)
    rows, cols = np.ogrid[top : top + shape[0], left : left + shape[1]]
    power = np.stack([known_power(name, rows, cols) for name in BOTH])
    return power, seen[top : top + shape[0], left : left + shape[1]]


# the merged power


def test_the_merged_power_is_the_known_field_wherever_a_burst_saw_it(tmp_path):
    swaths = regular_layout()
    scene = open_scene(make_slc(tmp_path, swaths))
    power, valid = all_rows(scene)
    truth, seen = expected(swaths, scene.shape)
    assert power.shape == truth.shape
    # bursts begin to have other samples at their edges; all other places are shown
    missing = seen & ~valid[0]
    assert missing.sum() < 0.002 * seen.sum()
    assert not (valid[0] & ~seen).any()
    assert (valid[0] == valid[1]).all()
    np.testing.assert_array_equal(power[valid], truth[valid])


def test_no_row_and_no_column_inside_is_a_seam(tmp_path):
    _, valid = all_rows(open_scene(make_slc(tmp_path)))
    inside = valid[0, 21:-21, 5:-5]  # where all sub-swaths have bursts
    assert inside.all()


@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_any_timing_and_any_valid_samples_give_the_known_field(data, tmp_path_factory):
    swaths, col = [], 0
    for number in range(data.draw(st.integers(1, 3))):
        lines, samples = data.draw(st.integers(6, 20)), data.draw(st.integers(5, 24))
        row, bursts = data.draw(st.integers(0, 30)), []
        cols = sorted(data.draw(st.tuples(st.integers(0, samples - 1), st.integers(0, samples - 1))))
        for _ in range(data.draw(st.integers(1, 4))):
            valid = data.draw(st.integers(0, 2)), lines - data.draw(st.integers(0, 2))
            bursts.append(burst(row, lines, valid, (cols[0], cols[1] + 1)))
            row += data.draw(st.integers(lines - 4, lines + 3))
        swaths.append(
            SlcSwath(name=f"IW{number + 1}", col=col, samples=samples, incidence_deg=39, bursts=tuple(bursts))
        )
        col += data.draw(st.integers(2, samples + 3))
    # the grid begins with the first line and sample of all images
    first = min(one.row for swath in swaths for one in swath.bursts)
    scene = open_scene(make_slc(tmp_path_factory.mktemp("slc"), swaths))
    power, valid = all_rows(scene)
    truth, seen = expected(swaths, scene.shape)
    assert first >= 0
    np.testing.assert_array_equal(valid, np.stack([seen, seen]))
    np.testing.assert_array_equal(power[valid], truth[valid])


def test_folder_manifest_and_zip_give_the_same_scene(tmp_path):
    safe = make_slc(tmp_path)
    truth, seen = all_rows(open_scene(safe))
    for path in (safe / "manifest.safe", zip_safe(safe)):
        scene = open_scene(path)
        assert scene.scene_id == SLC_PRODUCT
        assert told(scene) == told(open_scene(safe))
        power, valid = all_rows(scene)
        np.testing.assert_array_equal(power, truth)
        np.testing.assert_array_equal(valid, seen)


@settings(max_examples=8, deadline=None)
@given(edges=st.sets(st.integers(1, 152), max_size=20))
def test_bands_of_any_height_are_parts_of_the_whole(edges, tmp_path_factory):
    safe = tmp_path_factory.getbasetemp() / "bands"
    path = safe / f"{SLC_PRODUCT}.SAFE" if safe.exists() else make_slc(safe)
    with open_scene(path) as scene:
        whole = scene.read_rows(0, scene.shape[0])
        cuts = [0, *sorted(edges), scene.shape[0]]
        bands = [scene.read_rows(a, b) for a, b in pairwise(cuts)]
    for slot in (0, 1):
        np.testing.assert_array_equal(np.concatenate([band[slot] for band in bands], axis=1), whole[slot])


def test_memory_does_not_grow_with_the_height(tmp_path):
    peaks = []
    for count in (2, 12):
        bursts = tuple(burst(54 * k, 60, (2, 58), (3, 3990)) for k in range(count))
        swaths = [SlcSwath(name="IW1", col=0, samples=4000, incidence_deg=39, bursts=bursts)]
        with open_scene(make_slc(tmp_path / str(count), swaths, polarizations=["VV"])) as scene:
            scene.read_rows(0, 8)
            tracemalloc.start()
            for start in range(0, scene.shape[0] - 8, 8):
                scene.read_rows(start, start + 8)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_a_pixel_of_zero_in_all_polarizations_is_invalid_and_zero_in_one_is_dark(tmp_path):
    def field(polarization, rows, cols):
        dark = (rows == 60) & ((cols == 20) | ((polarization == "VH") & (cols == 30)))
        return np.where(dark, 0, 3 + 4j)

    _, valid = all_rows(scene := open_scene(make_slc(tmp_path, field=field)))
    at = 60 - 2, np.array([20, 30]) - 3  # rows begin with the second line of IW2, columns with the third sample of IW1
    assert scene.shape == (153, 153)
    assert valid[0][at].tolist() == valid[1][at].tolist() == [False, True]


# what the scene tells


def test_the_scene_tells_what_it_is(tmp_path):
    scene = open_scene(make_slc(tmp_path))
    assert scene.units is Units.DN
    assert scene.mode == "IW"
    assert scene.polarizations == BOTH
    assert scene.warnings == ()
    assert [swath.name for swath in scene.swaths] == ["IW1", "IW2", "IW3"]
    assert scene.spacing_m[0] == pytest.approx(AZIMUTH_M)
    assert scene.spacing_m[1] == pytest.approx(SLANT_M / np.sin(np.radians(39.3)), rel=0.01)


def test_the_ground_spacing_is_that_of_the_incidence_angle_in_the_middle(tmp_path):
    swaths = regular_layout()[:2]  # IW1 and IW2: the middle lies between theirs
    scene = open_scene(make_slc(tmp_path, swaths))
    low, high = (SLANT_M / np.sin(np.radians(swath.incidence_deg)) for swath in swaths[::-1])
    assert low < scene.spacing_m[1] < high


def test_the_working_grid_averages_in_power_over_both(tmp_path):
    swaths = regular_layout(bursts=8)
    with open_scene(make_slc(tmp_path, swaths)) as scene:
        grid = read_working_grid(scene, 100)
        truth, seen = expected(swaths, scene.shape)
    assert grid.factors == (7, 27)
    block = truth[:, 70:77, 54:81]
    assert seen[70:77, 54:81].all()
    np.testing.assert_allclose(grid.power[:, 10, 2], block.mean(axis=(1, 2)), rtol=1e-5)
    assert grid.seams_px == (2, 4)


def metres_apart(found, truth):
    return np.linalg.norm(earth_centred(*map(np.asarray, found)) - earth_centred(*map(np.asarray, truth)), axis=-1)


@pytest.mark.parametrize("bursts", [2, 9])
def test_control_points_are_one_complete_grid_that_holds_the_points_of_every_annotation(tmp_path, bursts):
    swaths = regular_layout(bursts=bursts)
    scene = open_scene(make_slc(tmp_path, swaths))
    gcps = scene.georeferencing.gcps
    rows, cols = {point.row for point in gcps}, {point.col for point in gcps}
    assert len(gcps) == len(rows) * len(cols) == len({(point.row, point.col) for point in gcps})
    _, top, left = seen_by(swaths)
    for swath, tells in zip(swaths, scene.swaths, strict=True):
        places = np.array(grid_places(swath))[:, 2:] - (top, left)
        # in the middle of what the grid shows of it; the overlaps are interpolated between two sub-swaths
        own = places[(places[:, 1] > tells.first_col + 5) & (places[:, 1] < tells.last_col - 5)]
        assert len(own) > 10
        found = scene.georeferencing.to_lonlat(own[:, 1], own[:, 0])
        assert metres_apart(found, ground_lonlat(own[:, 0] + top, own[:, 1] + left)).max() < 0.01


def test_control_points_are_right_between_the_points_of_annotations(tmp_path):
    swaths = regular_layout(bursts=9)
    scene = open_scene(make_slc(tmp_path, swaths))
    _, top, left = seen_by(swaths)
    rows, cols = np.meshgrid(np.arange(0, scene.shape[0], 7), np.arange(0, scene.shape[1], 3))
    found = scene.georeferencing.to_lonlat(cols, rows)
    assert metres_apart(found, ground_lonlat(rows + top, cols + left)).max() < 0.2  # a column is 4 m


def test_a_product_in_which_points_fail_is_not_georeferenced(tmp_path):
    safe = make_slc(tmp_path)
    for xml in (safe / "annotation").glob("*.xml"):
        text = xml.read_text()
        start, stop = text.index("<geolocationGridPoint>"), text.index("</geolocationGridPointList>")
        xml.write_text(text[:start] + text[stop:])
    assert open_scene(safe).georeferencing.kind == "none"


# other modes, and parts of products


def test_stripmap_has_one_image_a_polarization_and_no_bursts(tmp_path):
    swath = SlcSwath(name="S3", col=0, samples=70, incidence_deg=33, bursts=(burst(0, 90, (0, 90), (0, 70)),))
    safe = make_slc(tmp_path, [swath], mode="S3", name=SLC_PRODUCT.replace("IW", "S3"), bursts=False)
    scene = open_scene(safe)
    assert scene.mode == "SM"
    assert scene.shape == (90, 70)
    power, valid = all_rows(scene)
    assert valid.all()
    np.testing.assert_array_equal(power, expected([swath], scene.shape)[0])


def test_extra_wide_has_five_sub_swaths_in_the_other_polarizations(tmp_path):
    swaths = [
        SlcSwath(
            name=f"EW{n}",
            col=40 * (n - 1),
            samples=50,
            incidence_deg=15.0 + 6 * n,
            bursts=tuple(burst(5 * n + 20 * k, 24, (1, 24), (1, 49)) for k in range(3)),
        )
        for n in range(1, 6)
    ]
    safe = make_slc(tmp_path, swaths, mode="EW", polarizations=("HH", "HV"), name=SLC_PRODUCT.replace("IW", "EW"))
    scene = open_scene(safe)
    assert scene.mode == "EW"
    assert scene.polarizations == ("HH", "HV")
    assert [swath.name for swath in scene.swaths] == [f"EW{n}" for n in range(1, 6)]
    power, valid = all_rows(scene)
    _, top, left = seen_by(swaths)
    rows, cols = np.ogrid[top : top + scene.shape[0], left : left + scene.shape[1]]
    assert valid[:, 25:-25, 2:-2].all()
    np.testing.assert_array_equal(power[1][valid[1]], known_power("HV", rows, cols)[valid[1]])


def test_one_polarization_fills_its_slot_and_no_other(tmp_path):
    scene = open_scene(make_slc(tmp_path, polarizations=["VH"]))
    _, valid = all_rows(scene)
    assert scene.polarizations == (None, "VH")
    assert valid[1].any()
    assert not valid[0].any()


def test_a_part_of_a_product_is_what_is_there_and_says_what_is_not(tmp_path):
    safe = make_slc(tmp_path)
    for path in (safe / "measurement").glob("*iw3*"):
        path.unlink()
    scene = open_scene(safe)
    swaths = regular_layout()[:2]
    power, valid = all_rows(scene)
    truth, seen = expected(swaths, scene.shape)
    np.testing.assert_array_equal(power[valid], truth[valid])
    assert valid[0].sum() > 0.99 * seen.sum()
    assert any("IW3 VH, IW3 VV" in warning for warning in scene.warnings)
    assert read_product(safe).images[0].basic.shape == scene.shape


# calibration


def slc_tables(rng, swath):
    """Tables as in SLC products: noise vectors a burst apart, from before the image on, and one azimuth block."""
    lines, height = swath.lines_per_burst, swath.lines_per_burst * len(swath.bursts)
    pixels = [*range(0, swath.samples, 9), swath.samples - 1]
    noise = [
        vector(line, pixels, rng.uniform(200, 2000, len(pixels)).tolist()) for line in range(-lines, height, lines)
    ]
    knots = np.unique(np.concatenate([np.arange(k, k + lines, 10) for k in range(0, height, lines)] + [[height - 1]]))
    block = AzimuthBlock(
        swath=swath.name,
        first_line=0,
        last_line=height - 1,
        first_pixel=0,
        last_pixel=swath.samples - 1,
        lines=knots.astype(float),
        values=rng.uniform(0.9, 1.2, len(knots)),
    )
    return Tables(sigma_nought=draw_tables(rng, (height, swath.samples)).sigma_nought, noise=noise, blocks=[block])


@pytest.mark.parametrize("denoise", [False, True])
def test_calibration_is_that_of_the_line_and_sample_that_a_pixel_comes_from(tmp_path, denoise):
    swaths = regular_layout()
    rng = np.random.default_rng(0)
    tables = {(swath.name, pol): slc_tables(rng, swath) for swath in swaths for pol in BOTH}
    safe = make_slc(tmp_path, swaths, tables=tables)
    scene = open_scene(safe, calibrate=True, denoise=denoise)
    assert scene.units is Units.SIGMA_NOUGHT
    assert scene.denoised is denoise
    power, valid = all_rows(scene)
    np.testing.assert_array_equal(valid, all_rows(open_scene(safe))[1])
    _, top, left = seen_by(swaths)
    for swath in swaths:
        # the middle of the third burst, away from what overlaps
        one, line = swath.bursts[2], 20
        samples = np.arange(15, 45)
        row, cols = one.row + line - top, swath.col + samples - left
        for slot, pol in enumerate(BOTH):
            amplitude = np.sqrt(known_power(pol, np.array([row + top]), cols + left))
            lines = [2 * swath.lines_per_burst + line] * len(samples)
            truth = naive_sigma_nought(amplitude, tables[swath.name, pol], lines, samples, denoise=denoise)
            np.testing.assert_allclose(power[slot, row, cols], truth, rtol=2e-4, err_msg=f"{swath.name} {pol}")


def test_tables_that_are_missing_are_said_so(tmp_path):
    safe = make_slc(tmp_path)
    with pytest.raises(SceneError, match="calibration-s1b-iw1-slc-vv") as caught:
        open_scene(safe, calibrate=True)
    assert "--no-calibrate" in caught.value.hint


# what cannot be read


def edited(safe, pattern, old, new):
    for xml in sorted((safe / "annotation").glob(pattern)):
        text = xml.read_text()
        assert old in text
        xml.write_text(text.replace(old, new))
    return safe


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("<linesPerBurst>40<", "<linesPerBurst>41<", "do not fit"),
        ("<linesPerBurst>40<", "<linesPerBurst>39<", "holds 40 values"),
        ("<samplesPerBurst>60<", "<samplesPerBurst>60</samplesPerBurst><x>1</x><samplesPerBurst>60<", None),
        ("-1 -1 3 ", "-1 -1 99 ", "99, where a line has 60"),
        ("<azimuthTimeInterval>", "<azimuthTimeInterval>-", "azimuthTimeInterval"),
        ("<rangeSamplingRate>", "<rangeSamplingRate>nan", "rangeSamplingRate"),
        ("<incidenceAngleMidSwath>3", "<incidenceAngleMidSwath>93", "incidenceAngleMidSwath"),
    ],
)
def test_a_damaged_annotation_is_said_which_and_what(tmp_path, old, new, said):
    safe = edited(make_slc(tmp_path), "s1b-iw1-slc-vv*", old, new)
    if said is None:  # what is not read does not matter
        assert open_scene(safe).shape == (153, 153)
        return
    with pytest.raises(SceneError, match=said) as caught:
        open_scene(safe)
    assert "s1b-iw1-slc-vv" in str(caught.value)


def test_images_that_share_no_grid_are_refused(tmp_path):
    told = f"<azimuthTimeInterval>{LINE_INTERVAL_S:.15e}<"
    safe = edited(make_slc(tmp_path), "*iw2*", told, f"<azimuthTimeInterval>{1.01 * LINE_INTERVAL_S:.15e}<")
    with pytest.raises(SceneError, match="cannot be merged") as caught:
        open_scene(safe)
    assert caught.value.hint


def test_the_wave_mode_is_refused_by_its_annotation_too(tmp_path):
    with pytest.raises(SceneError, match="WV"):
        open_scene(make_slc(tmp_path, name="renamed", mode="WV"))


def test_a_measurement_without_annotation_is_refused(tmp_path):
    safe = make_slc(tmp_path)
    next((safe / "annotation").glob("*iw2*vv*")).unlink()
    with pytest.raises(SceneError, match=r"iw2-slc-vv.*annotation"):
        open_scene(safe)


def test_a_product_without_measurements_is_refused(tmp_path):
    with pytest.raises(SceneError, match="no measurement TIFFs"):
        open_scene(make_slc(tmp_path, measurements=False))


def test_broken_measurements_are_refused(tmp_path):
    safe = make_slc(tmp_path)
    tiff = sorted((safe / "measurement").iterdir())[3]
    whole = tiff.read_bytes()
    tiff.write_bytes(b"")
    with pytest.raises(SceneError, match=tiff.name):
        open_scene(safe)
    other = next((make_slc(tmp_path / "b", regular_layout(bursts=3)) / "measurement").glob("*iw1*vv*"))
    tiff.write_bytes(other.read_bytes())
    with pytest.raises(SceneError, match="120 x 60 pixels, where its annotation says 160 x 60"):
        open_scene(safe)
    tiff.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(SceneError, match="truncated or damaged"):
        all_rows(open_scene(safe))


def test_units_that_complex_samples_cannot_have_are_refused(tmp_path):
    safe = make_slc(tmp_path)
    assert open_scene(safe, units=Units.COMPLEX).units is Units.DN
    with pytest.raises(SceneError, match="complex samples, not db"):
        open_scene(safe, units=Units.DB)


# ESA's annotation, and the whole way


def test_bursts_of_esa_lie_where_the_merged_grid_shows_them(tmp_path):
    """A flagged burst is flagged in all of its rows and in no row of its neighbours."""
    swaths = regular_layout(bursts=4, lines=1500, cycle=1341)
    swath = swaths[1]
    bursts = {one.name: tuple(Burst(swath=one.name, start=time_of_row(b.row)) for b in one.bursts) for one in swaths}
    reports = {(name, pol): rfi_xml(pol, Annotated(bursts=own)) for name, own in bursts.items() for pol in BOTH}
    safe = make_slc(tmp_path, swaths, rfi=reports)
    with open_scene(safe) as scene:
        shape = scene.shape
        tells = scene.swaths[1]
    _, top, _ = seen_by(swaths)
    # burst 2 is shown from the middle of its overlap with burst 1 to the middle of that with burst 3: by the definition
    overlap = [(after.row + 2 + before.row + 1499) // 2 for before, after in pairwise(swath.bursts)]
    mask = np.zeros(shape, bool)
    mask[overlap[0] - top : overlap[1] - top, tells.first_col + 6 : tells.last_col - 5] = True
    flagged = Flagged(rfi_mask=mask, valid_mask=np.ones(shape, bool), by_polarization={}, factors=(1, 1))
    placed = acquisition_on(flagged, scene, read_product(safe))
    assert set(placed.sub_swaths) == {one.name for one in swaths}
    box = (tells.first_col + 6, overlap[0] - top, 40, overlap[1] - overlap[0])
    assert sub_swaths_of(box, placed.sub_swaths) == (swath.name,)
    compared = compare_with_esa(read_product(safe), flagged)["esa_rfi"]
    own = {
        entry["burst"]: entry["flagged_share"]
        for entry in compared["bursts"]
        if entry["sub_swath"] == "IW2" and entry["burst"]
    }
    assert own[2] > 0.7
    assert max(own[1], own[3], own[4]) < MIN_FLAGGED_SHARE


def test_detect_runs_from_product_to_record(tmp_path, model):
    swaths = regular_layout(bursts=40, lines=40)
    safe = make_slc(tmp_path, swaths)
    out = tmp_path / "out"
    out.mkdir()
    options = DetectOptions(out_dir=out, spacing_m=50.0)
    record = detect_scene((safe,), load_model(model), options)
    assert record["status"] == "done"
    assert record["units"] == "dn"
    assert record["georeferencing"] == "gcps"
    assert json.loads((out / f"{SLC_PRODUCT}.json").read_text())["scene"] == SLC_PRODUCT
