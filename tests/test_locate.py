"""`rfiscan locate`: from records to places, files and exit codes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from rfiscan.__main__ import main
from rfiscan.errors import SceneError
from rfiscan.export.emitter_files import line_geometry
from rfiscan.export.rasters import write_geotiff
from rfiscan.export.simulated_pass import pass_over
from rfiscan.locating.positions import RADIUS_M, directions
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.locate import LocateOptions, locate_emitters
from rfiscan.workflows.passes import write_passes
from rfiscan.workflows.stack import read_records
from tests.flat_model import save_flat_model, sea_power, write_scene
from tests.make_passes import by_truth, options_for
from tests.test_association import found as associated
from tests.test_association import holds, off_m

SHAPE, SPACING_M = (120, 200), 500.0


def write_heard(folder: Path, name: str, emitter, orbit) -> Path:
    """A scene of the sea, bright in cross-pol where the pass hears an emitter."""
    row, _ = (float(x) / SPACING_M for x in orbit.grid_m(*emitter))
    power = sea_power(SHAPE, seed=len(name))
    rows = np.arange(SHAPE[0]) + 0.5
    power[1, :, 40:160] *= (1.0 + 20.0 * np.exp(-0.5 * ((rows - row) / 4.0) ** 2)).astype(np.float32)[:, None]
    path = folder / f"{name}.tif"
    dn = np.sqrt(power).round().clip(1, 65535).astype(np.uint16)
    georeferencing = orbit.gcps(SHAPE, SPACING_M)
    write_geotiff(path, dn, georeferencing, nodata=0, tags={}, band_names=["VV", "VH"])
    return path


def detect_passes(folder: Path, emitter, directions_asc=(True, False, True, False)) -> Path:
    model = load_model(save_flat_model(folder / "model"))
    (folder / "found").mkdir()
    for number, ascending in enumerate(directions_asc):
        orbit = pass_over(emitter, (25e3 + 3e3 * number, 50e3), ascending=ascending)
        path = write_heard(folder, f"scene_{number}", emitter, orbit)
        detect_scene((path,), model, DetectOptions(out_dir=folder / "found"))
    return folder / "found"


@pytest.fixture(scope="module")
def passes(tmp_path_factory) -> Path:
    return detect_passes(tmp_path_factory.mktemp("passes"), (-179.98, 36.0))


def test_the_command_tells_where_the_emitter_stands(passes, tmp_path, capsys):
    assert main(["locate", str(passes), "-o", str(tmp_path), "--json"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    place = directions(row["longitude_deg"], row["latitude_deg"])
    assert np.linalg.norm(place - directions(-179.98, 36.0)) * RADIUS_M < 1000
    assert (row["kind"], row["ascending"], row["descending"], row["passes"]) == ("point", 2, 2, 4)
    assert (row["probability"], row["ambiguous"], row["polarizations"]) == (0.95, False, ["cross"])
    assert 60 < row["orientation_deg"] < 120
    assert row["semi_major_m"] > row["semi_minor_m"] > 0
    assert [stripe["scene"] for stripe in row["stripes"]] == [f"scene_{n}" for n in range(4)]
    assert main(["locate", str(passes), "-o", str(tmp_path)]) == 0
    assert "point" in capsys.readouterr().out


def test_files_are_geojson_and_a_table(passes, tmp_path):
    assert main(["locate", str(passes), "-o", str(tmp_path), "-q"]) == 0
    points, ellipses = (
        json.loads((tmp_path / name).read_text()) for name in ("emitters.geojson", "emitters_ellipses.geojson")
    )
    (point,), (ellipse,) = points["features"], ellipses["features"]
    assert point["geometry"]["type"] == "Point"
    assert ellipse["geometry"]["type"] == "MultiPolygon"  # the emitter stands beside the antimeridian
    assert point["properties"] == ellipse["properties"]
    for part in ellipse["geometry"]["coordinates"]:
        lon, lat = np.array(part[0]).T
        assert np.abs(lon).max() <= 180
        assert np.sum(lon[:-1] * lat[1:] - lon[1:] * lat[:-1]) > 0
    with (tmp_path / "emitters.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert float(row["semi_major_m"]) == point["properties"]["semi_major_m"]
    assert row["stripes"].startswith("scene_0:0 scene_1:0")
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_may_be_moved(passes, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(passes, moved)
    records = read_records(moved)
    for record in records:
        record["outputs"]["error"] = str(Path("/gone") / Path(record["outputs"]["error"]).name)
    assert len(locate_emitters(records, moved, LocateOptions())) == 1
    next(moved.glob("scene_0_error.tif")).unlink()
    assert locate_emitters(records, moved, LocateOptions())[0]["passes"] == 3


def test_more_passes_may_be_asked_for(passes):
    records = read_records(passes)
    assert locate_emitters(records, passes, LocateOptions(min_passes=5)) == []
    assert len(locate_emitters(records, passes, LocateOptions(min_passes=4))) == 1


def test_one_direction_gives_a_line(passes, tmp_path, capsys):
    ascending = [record for record in read_records(passes) if record["scene"] in {"scene_0", "scene_2"}]
    (row,) = locate_emitters(ascending, passes, LocateOptions())
    assert (row["kind"], row["ascending"], row["descending"], row["ellipse"]) == ("line", 2, 0, None)
    assert row["geometry"]["type"] == "MultiLineString"
    assert locate_emitters(ascending[:1], passes, LocateOptions()) == []
    assert len(locate_emitters(ascending[:1], passes, LocateOptions(min_passes=1))) == 1
    for name in ("scene_0", "scene_2"):
        shutil.copy(passes / f"{name}.json", tmp_path)
    assert main(["locate", str(tmp_path)]) == 0
    said = capsys.readouterr()
    assert "ascending" in said.err
    assert "line" in said.out


def test_a_scene_twice_counts_once(passes):
    records = read_records(passes)
    (row,) = locate_emitters([*records, *records], passes, LocateOptions())
    assert row["passes"] == 4


@pytest.mark.parametrize("placed_by", ["affine", "nothing"])
def test_scenes_without_rows_of_a_radar_are_refused_by_name(placed_by, tmp_path, capsys):
    model = load_model(save_flat_model(tmp_path / "model"))
    path = write_scene(tmp_path / "harbour.tif", sea_power((96, 128), stripe_db=9.0), placed_by=placed_by)
    detect_scene((path,), model, DetectOptions(out_dir=tmp_path))
    with pytest.raises(SceneError, match="no scene can be used"):
        locate_emitters(read_records(tmp_path), tmp_path, LocateOptions())
    assert main(["locate", str(tmp_path)]) == 5
    said = capsys.readouterr().err
    assert "harbour" in said
    assert "hint" in said
    assert not list(tmp_path.glob("emitters*"))


def test_clean_scenes_have_no_emitters(tmp_path, capsys):
    found = detect_passes(tmp_path, (8.0, 52.0), ())
    model = load_model(tmp_path / "model")
    orbit = pass_over((8.0, 52.0), (900e3, 50e3), ascending=True)  # hears it far outside
    detect_scene((write_heard(tmp_path, "calm", (8.0, 52.0), orbit),), model, DetectOptions(out_dir=found))
    assert main(["locate", str(found), "-q"]) == 0
    assert "no emitter" in capsys.readouterr().out
    assert json.loads((found / "emitters.geojson").read_text())["features"] == []


@pytest.mark.parametrize("turned", [False, True])
def test_lines_are_cut_at_the_antimeridian(turned):
    lon, lat = np.array([179.0, 179.8, -179.4, -178.0]), np.array([10.0, 10.1, 10.2, 10.3])
    cut = line_geometry(lon[:: -1 if turned else 1], lat[:: -1 if turned else 1])
    west, east = (np.array(part) for part in cut["coordinates"])
    assert cut["type"] == "MultiLineString"
    assert (west[-1, 0], east[0, 0]) == (180.0, -180.0)
    assert west[-1, 1] == east[0, 1] == pytest.approx(10.125)
    assert len(west) + len(east) == 6
    assert line_geometry(lon[:2], lat[:2])["type"] == "LineString"


def test_simulated_passes_hear_the_same_emitters(tmp_path):
    options = options_for(tmp_path, 5, emitters=1, passes=1)
    ascending, descending = write_passes(options)
    (station,) = json.loads((tmp_path / "emitters_truth.geojson").read_text())["features"]
    place = station["geometry"]["coordinates"]
    for record in (ascending, descending):
        (emitter,) = record["emitters"]
        assert emitter["kind"] == station["properties"]["kind"]
    assert ascending["emitters"][0]["azimuth_s"] != descending["emitters"][0]["azimuth_s"]
    assert np.hypot(place[0] - 8.0, place[1] - 52.0) < 2.0


def test_the_command_makes_passes(tmp_path, capsys):
    asked = ["--passes", "1", "--emitters", "1", "--place", "25", "36", "--size", "64", "96", "-o", str(tmp_path)]
    assert main(["simulate", *asked, "--json"]) == 0
    names = [json.loads(line)["scene"] for line in capsys.readouterr().out.splitlines()]
    assert names == ["ascending_0000", "descending_0000"]
    assert len(json.loads((tmp_path / "emitters_truth.geojson").read_text())["features"]) == 1


@pytest.mark.parametrize(
    "asked", [["--passes", "1", "--safe"], ["--emitters", "2"], ["--passes", "1", "--place", "0", "85"]]
)
def test_passes_refuse_what_does_not_go_with_them(asked, tmp_path):
    assert main(["simulate", *asked, "-o", str(tmp_path / "made")]) == 2
    assert not (tmp_path / "made").exists()


@pytest.mark.slow
def test_twenty_emitters_by_the_truth_of_the_simulator(tmp_path):
    """Stripes of the simulator's truth masks, five places, four emitters each, three passes of each direction."""
    places = [(8.0, 52.0), (25.0, 36.0), (-179.9, 10.0), (-60.0, -20.0), (20.0, 65.0)]
    errors_m, held = [], []
    for seed, place in enumerate(places):
        watched = by_truth(options_for(tmp_path, seed, place))
        for fix in associated(watched)[0]:
            nearest = int(np.hypot(*off_m(fix, watched.truth).T).argmin())
            errors_m.append(float(np.hypot(*off_m(fix, watched.truth)[nearest])))
            held.append(bool(holds(fix, watched.truth).any()) or fix.alternatives > 0)
    assert len(errors_m) >= 7
    assert np.median(errors_m) < 3e3
    assert np.mean(held) >= 0.8


@pytest.mark.slow
def test_emitters_are_found_from_pixels(tmp_path):
    """The bundled model looks at simulated scenes; the strongest emitter of two places is where it stands."""
    model = load_model(Path(__file__).parents[1] / "models" / "cae")
    options = options_for(tmp_path, 306, emitters=2)
    (tmp_path / "found").mkdir()
    for record in write_passes(options):
        detect_scene((Path(record["outputs"]["scene"]),), model, DetectOptions(out_dir=tmp_path / "found"))
    truth = json.loads((tmp_path / "emitters_truth.geojson").read_text())["features"]
    places = directions(*np.array([feature["geometry"]["coordinates"] for feature in truth]).T)
    rows = locate_emitters(read_records(tmp_path / "found"), tmp_path, LocateOptions())
    best = directions(rows[0]["longitude_deg"], rows[0]["latitude_deg"])
    assert rows[0]["kind"] == "point"
    assert np.linalg.norm(places - best, axis=1).min() * RADIUS_M < rows[0]["semi_major_m"]
