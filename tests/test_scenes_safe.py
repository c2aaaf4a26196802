"""SAFE products: folder, manifest and zip give the same scene, and the product says what it is."""

from __future__ import annotations

import numpy as np
import pytest

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes import Swath, open_scene, read_working_grid
from rfiscan.scenes.annotation import parse_annotation
from rfiscan.scenes.product import read_product
from tests.make_remote import as_cog_safe, list_in_manifest
from tests.make_scenes import PRODUCT, make_safe, speckled_dn, zip_safe
from tests.make_slc import make_slc

SHAPE = (120, 160)


@pytest.fixture
def safe(tmp_path):
    return make_safe(tmp_path, shape=SHAPE, border_px=5)


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


def test_product_tells_everything(safe):
    scene = open_scene(safe)
    assert scene.scene_id == PRODUCT
    assert scene.sources == (str(safe),)
    assert scene.polarizations == ("VV", "VH")
    assert scene.shape == SHAPE
    assert scene.units is Units.DN
    assert scene.spacing_m == (10.0, 10.0)
    assert scene.spacing_known
    assert scene.georeferencing.kind == "gcps"
    assert len(scene.georeferencing.gcps) == 210
    assert scene.warnings == ()


def test_sub_swaths_are_the_rectangles_around_their_bounds(safe):
    assert open_scene(safe).swaths == (
        Swath(name="IW1", first_row=0, last_row=119, first_col=0, last_col=53),
        Swath(name="IW2", first_row=0, last_row=119, first_col=53, last_col=106),
        Swath(name="IW3", first_row=0, last_row=119, first_col=106, last_col=160),
    )


def test_folder_manifest_and_zip_give_the_same_scene(safe):
    expected_power, expected_valid = all_rows(open_scene(safe))
    for path in (safe / "manifest.safe", zip_safe(safe)):
        scene = open_scene(path)
        assert scene.scene_id == PRODUCT
        assert scene.swaths == open_scene(safe).swaths
        power, valid = all_rows(scene)
        np.testing.assert_array_equal(power, expected_power)
        np.testing.assert_array_equal(valid, expected_valid)


def test_zip_is_read_without_unpacking(safe):
    archive = zip_safe(safe)
    before = sorted(safe.parent.iterdir())
    all_rows(open_scene(archive))
    assert sorted(safe.parent.iterdir()) == before


def test_power_is_the_square_of_the_digital_numbers_with_co_pol_first(tmp_path):
    dn = {"VV": speckled_dn(SHAPE, seed=1), "VH": speckled_dn(SHAPE, seed=2)}
    power, valid = all_rows(open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn)))
    np.testing.assert_allclose(power, np.stack([dn["VV"], dn["VH"]]).astype(float) ** 2)
    assert valid.all()


def test_polarization_comes_from_the_annotation_not_from_the_file_order(tmp_path):
    dn = {"VV": speckled_dn(SHAPE, mean=1e4), "VH": speckled_dn(SHAPE, mean=1e2)}
    scene = open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn, polarizations=["VH", "VV"]))
    assert scene.polarizations == ("VV", "VH")
    power, _ = all_rows(scene)
    assert power[0].mean() > 10 * power[1].mean()


@pytest.mark.parametrize(
    ("given", "slots"),
    [
        (["HH", "HV"], ("HH", "HV")),
        (["VV"], ("VV", None)),
        (["VH"], (None, "VH")),
        (["HH"], ("HH", None)),
    ],
)
def test_other_polarizations_fill_their_slots_and_no_other(tmp_path, given, slots):
    scene = open_scene(make_safe(tmp_path, shape=SHAPE, polarizations=given))
    assert scene.polarizations == slots
    _, valid = all_rows(scene)
    assert [bool(channel.any()) for channel in valid] == [slot is not None for slot in slots]


def test_layout_of_the_open_data_mirror(tmp_path):
    scene = open_scene(make_safe(tmp_path, shape=SHAPE, layout="aws"))
    assert scene.scene_id == PRODUCT
    assert scene.polarizations == ("VV", "VH")
    assert scene.swaths


def test_ground_control_points_of_the_annotation_serve_where_the_tiff_has_none(tmp_path, safe):
    without = open_scene(make_safe(tmp_path / "b", shape=SHAPE, gcps_in_tiff=False))
    assert without.georeferencing.kind == "gcps"
    points = ([3.0, 100.0], [50.0, 119.0])
    expected = open_scene(safe).georeferencing.to_lonlat(*points)
    np.testing.assert_allclose(without.georeferencing.to_lonlat(*points), expected, atol=1e-9)


def test_product_without_annotation_is_read_by_file_names(safe):
    for xml in (safe / "annotation").glob("*.xml"):
        xml.unlink()
    scene = open_scene(safe)
    assert scene.polarizations == ("VV", "VH")
    assert scene.swaths == ()
    assert scene.spacing_m == pytest.approx((10.0, 10.0), rel=0.02)
    assert "holds no annotation/" in scene.warnings[0]


# what the manifest lists


@pytest.mark.parametrize("href", ["./", "", "/data/in/X.SAFE/", "file:///data/X.SAFE/", "C:\\data\\X.SAFE\\"])
@pytest.mark.parametrize("absent", ["measurement/*-vh-*", "annotation/*-vv-*.xml", "annotation/*.xml"])
def test_files_that_the_manifest_lists_and_that_are_not_there_are_named(safe, absent, href):
    manifest = list_in_manifest(safe)
    manifest.write_text(manifest.read_text().replace('href="./', f'href="{href}'))
    gone = sorted(safe.glob(absent))
    for path in gone:
        path.unlink()
    for given in (safe, manifest, zip_safe(safe)):
        (warning,) = open_scene(given).warnings
        assert "the manifest lists" in warning
        assert "download the whole product" in warning
        assert all(path.relative_to(safe).as_posix() in warning for path in gone)
        assert "calibration" not in warning
        assert read_product(given).warnings == (warning,)


def test_a_whole_product_lacks_nothing_whatever_its_files_are_called(safe, tmp_path):
    list_in_manifest(safe)
    mirror = make_safe(tmp_path / "aws", shape=SHAPE, layout="aws")
    for product in (as_cog_safe(safe), mirror):
        (product / "manifest.safe").write_text((safe / "manifest.safe").read_text())
        assert open_scene(product).warnings == ()
    assert open_scene(safe).warnings == ()
    (mirror / "measurement/iw-vh.tiff").unlink()
    assert "-vh-" in open_scene(mirror).warnings[0]


def test_absent_images_of_an_slc_are_named(tmp_path):
    safe = make_slc(tmp_path)
    list_in_manifest(safe)
    assert open_scene(safe).warnings == ()
    for path in [*safe.glob("measurement/*iw2*vh*"), *safe.glob("annotation/*iw2*vh*")]:
        path.unlink()
    warning = open_scene(safe).warnings[-1]
    assert warning.count("-iw2-") == 2


def test_a_product_of_metadata_alone_is_not_told_to_lack_its_measurements(tmp_path):
    safe = make_safe(tmp_path, shape=SHAPE)
    list_in_manifest(safe)
    for path in (safe / "measurement").iterdir():
        path.unlink()
    assert read_product(safe).warnings == ()
    next(safe.glob("annotation/*-vh-*")).unlink()
    (warning,) = read_product(safe).warnings
    assert "-vh-" in warning
    assert "measurement" not in warning


def test_fewer_lines_than_annotated_are_told(tmp_path):
    dn = {p: speckled_dn((100, 160)) for p in ("VV", "VH")}
    scene = open_scene(make_safe(tmp_path, shape=SHAPE, dn=dn))
    assert scene.shape == (100, 160)
    assert any("100 x 160" in warning and "120 x 160" in warning for warning in scene.warnings)


def test_working_grid_of_a_product(safe):
    with open_scene(safe) as scene:
        grid = read_working_grid(scene, 50)
    assert grid.factors == (5, 5)
    assert grid.spacing_m == (50.0, 50.0)
    assert grid.power.shape == (2, 24, 32)
    assert not grid.valid_mask[:, :, 0].any()
    assert grid.valid_mask[:, :, 1:].all()
    assert np.nanmean(grid.power[0]) == pytest.approx(1e4, rel=0.05)


@pytest.mark.parametrize("layout", ["esa", "aws"])
def test_product_without_measurements(tmp_path, layout):
    with pytest.raises(SceneError, match="no measurement TIFFs"):
        open_scene(make_safe(tmp_path, layout=layout, measurements=False))


@pytest.mark.parametrize("stub", [b"", b"\n", b"II*\0\x08\0\0\0"])
def test_stub_measurements(safe, stub):
    victim = sorted((safe / "measurement").iterdir())[0]
    victim.write_bytes(stub)
    with pytest.raises(SceneError, match=victim.name):
        open_scene(safe)


def test_damaged_annotation(safe):
    victim = sorted((safe / "annotation").glob("*.xml"))[0]
    victim.write_text(victim.read_text()[:200])
    with pytest.raises(SceneError, match=victim.name):
        open_scene(safe)


def test_entity_bombs_are_refused():
    bomb = b'<!DOCTYPE a [<!ENTITY b "cccc">]><product>&b;</product>'
    with pytest.raises(SceneError, match="annotation"):
        parse_annotation(bomb, "x.xml")


def test_products_of_an_unknown_type_are_refused_with_a_way_out(safe):
    for xml in (safe / "annotation").glob("*.xml"):
        xml.write_text(xml.read_text().replace(">GRD<", ">ABC<"))
    with pytest.raises(SceneError, match="ABC") as caught:
        open_scene(safe)
    assert caught.value.hint


@pytest.mark.parametrize(("kind", "name"), [("RAW", "RAW__0"), ("OCN", "OCN__2"), ("wave mode", None)])
def test_products_that_hold_no_scene_are_refused_by_name(tmp_path, kind, name):
    named = "S1A_WV_SLC__1SSV" if name is None else f"S1A_IW_{name}SDV"
    folder = tmp_path / f"{named}_20240203T043109_20240203T043134_052345_06543F_1A2B.SAFE"
    folder.mkdir()
    (folder / "manifest.safe").write_text("<XFDU/>")
    with pytest.raises(SceneError, match=kind) as caught:
        open_scene(folder)
    assert caught.value.hint


def test_zip_without_or_with_two_products(tmp_path):
    import zipfile

    for name, members in {"none.zip": ["a.txt"], "two.zip": ["A.SAFE/manifest.safe", "B.SAFE/manifest.safe"]}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member in members:
                archive.writestr(member, "x")
        with pytest.raises(SceneError, match="product"):
            open_scene(tmp_path / name)


@pytest.mark.real
def test_real_annotations_tell_spacing_and_sub_swaths(real_data):
    for path in sorted(real_data.glob("safe/*/annotation/*.xml")):
        annotation = parse_annotation(path.read_bytes(), path.name)
        wide = "_EW_" in str(path)
        assert annotation.spacing_m == ((40.0, 40.0) if wide else (10.0, 10.0))
        assert annotation.product_type == "GRD"
        assert annotation.polarization.lower() in path.name
        assert [swath.name for swath in annotation.swaths] == [
            f"{'EW' if wide else 'IW'}{i}" for i in range(1, 6 if wide else 4)
        ]
        assert annotation.swaths[-1].last_col == annotation.shape[1] - 1
        assert max(swath.last_row for swath in annotation.swaths) == annotation.shape[0] - 1
        spacing = annotation.georeferencing.spacing_m(*annotation.shape)
        assert spacing == pytest.approx(annotation.spacing_m, rel=0.02)
