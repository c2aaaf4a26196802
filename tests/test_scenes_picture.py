"""Pictures and arrays: quick-looks are recognised, photographs are not."""

from __future__ import annotations

import numpy as np
import pytest

from rfiscan.errors import SceneError
from rfiscan.radiometry import Units
from rfiscan.scenes import open_scene, read_working_grid
from tests.make_scenes import make_quicklook_npy, make_quicklook_png, quicklook_amplitudes, write_png

SHAPE = (60, 80)


def all_rows(scene):
    with scene:
        return scene.read_rows(0, scene.shape[0])


@pytest.mark.parametrize("make", [make_quicklook_png, make_quicklook_npy])
def test_quicklook_is_co_pol_and_cross_pol_amplitude(tmp_path, make):
    scene = open_scene(make(tmp_path / f"sea.{make.__name__[-3:]}", shape=SHAPE))
    assert scene.scene_id == "sea"
    assert scene.polarizations == ("VV", "VH")
    assert scene.units is Units.QUICKLOOK
    assert scene.spacing_m == (500.0, 500.0)
    assert not scene.spacing_known
    assert scene.georeferencing.kind == "none"
    power, valid = all_rows(scene)
    np.testing.assert_allclose(power, np.moveaxis(quicklook_amplitudes(SHAPE), -1, 0).astype(float) ** 2)
    assert valid.all()


@pytest.mark.parametrize(
    "blue",
    [
        lambda co, cross: np.clip(20 * co / cross, 0, 255),
        lambda co, cross: np.clip(30 * np.sqrt(cross / co), 0, 255),
        lambda co, cross: (co + cross) / 2,
        lambda co, cross: 0 * (co + cross),
    ],
    ids=["ratio", "inverse ratio through a table", "mean", "none"],
)
@pytest.mark.parametrize("shape", [(12, 15), (200, 300)])
def test_blue_made_of_red_and_green_is_a_quicklook(tmp_path, blue, shape):
    co, cross = np.moveaxis(quicklook_amplitudes(shape), -1, 0).astype(float)
    path = write_png(tmp_path / "a.png", np.stack([co, cross, blue(co, cross)]).astype(np.uint8))
    assert open_scene(path).polarizations == ("VV", "VH")


@pytest.mark.parametrize("shape", [(12, 15), (200, 300)])
@pytest.mark.parametrize("seed", range(3))
def test_photographs_are_refused_unless_units_say_otherwise(tmp_path, shape, seed):
    rng = np.random.default_rng(seed)
    light = 120 + 60 * np.sin(np.linspace(0, 9, shape[1])) * np.cos(np.linspace(0, 7, shape[0]))[:, None]
    tint = np.array([1.1, 0.9, 0.7])[:, None, None]
    photo = np.clip(light * tint + rng.normal(0, 12, (3, *shape)), 0, 255).astype(np.uint8)
    path = write_png(tmp_path / "photo.png", photo)
    with pytest.raises(SceneError, match="RGB picture") as caught:
        open_scene(path)
    assert "--units quicklook" in caught.value.hint
    assert open_scene(path, units=Units.QUICKLOOK).polarizations == ("VV", "VH")


@pytest.mark.parametrize("bands", [1, 3, 4], ids=["grey", "rgb", "rgba"])
@pytest.mark.parametrize(
    ("name", "polarizations", "warned"),
    [("iw2_vh_x.png", (None, "VH"), False), ("a-hh.png", ("HH", None), False), ("a.png", ("VV", None), True)],
)
def test_grey_pictures_are_one_polarization(tmp_path, bands, name, polarizations, warned):
    grey = quicklook_amplitudes(SHAPE)[..., 0]
    values = np.stack([grey] * min(bands, 3) + [np.full_like(grey, 255)] * (bands == 4))
    scene = open_scene(write_png(tmp_path / name, values))
    assert scene.polarizations == polarizations
    assert any("polarization" in warning for warning in scene.warnings) == warned
    _, valid = all_rows(scene)
    assert [bool(mask.any()) for mask in valid] == [slot is not None for slot in polarizations]


def test_black_is_border(tmp_path):
    values = np.zeros((3, *SHAPE), np.uint8)
    values[:, :, 10:] = np.moveaxis(quicklook_amplitudes(SHAPE), -1, 0)[[0, 1, 1], :, 10:]
    with open_scene(write_png(tmp_path / "a_vv.png", values), units=Units.QUICKLOOK) as scene:
        grid = read_working_grid(scene, 500)
    assert not grid.valid_mask[:, :, :10].any()
    assert grid.valid_mask[:, 2:-2, 12:-2].all()  # two pixels along borders may be trimmed where they fade
    assert np.isnan(grid.power[:, :, :10]).all()


@pytest.mark.parametrize(
    ("values", "units", "warned"),
    [
        (np.random.default_rng(0).random((20, 30)) * 100 + 1, Units.AMPLITUDE, True),
        (np.random.default_rng(0).gamma(4, 0.01, (20, 30)).astype(np.float32), Units.POWER, True),
        (-np.random.default_rng(0).random((20, 30, 2)) * 20, Units.DB, True),
        (np.arange(600, dtype=np.uint16).reshape(20, 30), Units.DN, False),
    ],
)
def test_arrays_of_other_units(tmp_path, values, units, warned):
    np.save(tmp_path / "a_vv_vh.npy" if values.ndim == 3 else tmp_path / "a_vv.npy", values)
    scene = open_scene(next(tmp_path.glob("*.npy")))
    assert scene.units is units
    assert any("--units" in warning for warning in scene.warnings) == warned


def test_single_array_tells_its_polarization_by_its_name(tmp_path):
    np.save(tmp_path / "sea_hv.npy", quicklook_amplitudes(SHAPE)[..., 1])
    assert open_scene(tmp_path / "sea_hv.npy").polarizations == (None, "HV")


@pytest.mark.real
def test_real_quicklooks_are_all_accepted(real_data):
    paths = sorted(
        [
            *real_data.glob("quicklook/*/*.png"),
            *real_data.glob("quicklook/*/*.npy"),
            *real_data.glob("safe/*/preview/*.png"),
        ]
    )
    assert len(paths) >= 16
    for path in paths:
        with open_scene(path) as scene:
            grid = read_working_grid(scene, 500)
        assert scene.units is Units.QUICKLOOK
        assert grid.power.shape == (2, *scene.shape)
        single = {"91FC": ("HH", None), "iw2_vh": (None, "VH")}
        dual = ("HH", "HV") if "BB15" in str(path) else ("VV", "VH")
        assert scene.polarizations == next((p for key, p in single.items() if key in path.name), dual)
        assert grid.valid_mask[[p is not None for p in scene.polarizations]].mean() > 0.89


def test_real_photographs_are_refused():
    from pathlib import Path

    import skimage.data

    folder = Path(skimage.data.__file__).parent
    photographs = [
        p for name in ("astronaut", "chelsea", "coffee", "ihc", "motorcycle_left") for p in folder.glob(f"{name}.png")
    ]
    assert photographs
    for path in photographs:
        with pytest.raises(SceneError, match="RGB picture"):
            open_scene(path)


def test_a_plane_without_any_signal_is_an_absent_polarization(tmp_path):
    levels = np.random.default_rng(0).integers(20, 200, (30, 40), dtype=np.uint8)
    np.save(tmp_path / "dual.npy", np.stack([levels, np.zeros_like(levels)], axis=-1))
    with open_scene(tmp_path / "dual.npy") as scene:
        grid = read_working_grid(scene, 500.0)
    assert grid.valid_mask[0].any()
    assert not grid.valid_mask[1].any()
    assert np.isnan(grid.power[1]).all()
