"""Evaluation from data to figures: truth by construction, contenders that know it, and the command."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from pycocotools.coco import COCO

from rfiscan.__main__ import main
from rfiscan.cli.evaluate import check_gates, read_gates
from rfiscan.detections.regions import extract_detections
from rfiscan.detections.stripes import label_stripes
from rfiscan.errors import ModelFitError, OutputError, QualityGateError, SceneError, UsageError
from rfiscan.metrics.bootstrap import scene_weights
from rfiscan.metrics.curves import GROUPS, RATIO_EDGES_DB, StripeOutcome, count_stripes, detection_counts
from rfiscan.metrics.figures import FIGURE_NAMES, MEANINGS, SURFACES, all_figures
from rfiscan.metrics.ranking import average_precision
from rfiscan.model_files.checkpoint import load_model
from rfiscan.scenes import open_scene
from rfiscan.scenes.working_grid import read_working_grid
from rfiscan.scoring import scene_score, severity
from rfiscan.truth import find_truth, read_truth
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.evaluate import EvaluateOptions, evaluate_contenders, evaluate_model
from rfiscan.workflows.evaluating.contenders import Judgement, ModelContender
from rfiscan.workflows.evaluating.evaluation_outputs import Submission, detection_panels
from rfiscan.workflows.evaluating.evaluation_record import evaluation_record
from tests.flat_model import save_flat_model, write_scene
from tests.make_scenes import make_quicklook_npy
from tests.truth_folder import STRIPE, Block, write_truth_folder, write_truth_scene

OPTIONS = EvaluateOptions(replicates=10)
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Oracle:
    """A contender that scores pixels by their power in dB over the sea, in the polarization that says more."""

    name: str = "oracle"
    spacing_m: float = 500.0
    calibration: dict[float, float] = field(default_factory=lambda: {1e-3: 0.5, 1e-2: 0.3})
    reconstructs: bool = False

    def threshold(self, far: float) -> float:
        return self.calibration[far]

    def for_polarizations(self, present):  # noqa: ARG002 - it has one calibration
        return self

    def score(self, grid, far):  # noqa: ARG002 - its mask does not depend on it
        with np.errstate(divide="ignore", invalid="ignore"):
            level = np.nanmedian(grid.power, axis=(1, 2), keepdims=True)
            evidence = np.where(grid.valid_mask, 10 * np.log10(grid.power / level), np.nan).astype(np.float32)
        anomaly = np.fmax(*evidence)
        mask = anomaly > 1.4  # six standard deviations of the speckle
        labels = label_stripes(mask, grid.seams_px, grid.spacing_m)
        stripes = extract_detections(labels, anomaly, evidence, 1.4, evidence, ("VV", "VH"), (500.0, 500.0))
        standardised = np.where(grid.valid_mask, evidence, 0).astype(np.float32)
        return Judgement(
            anomaly_map=anomaly,
            evidence=evidence,
            rfi_mask=mask,
            labels=labels,
            detections=stripes,
            severity=severity(mask, grid.valid_mask),
            scene_score=scene_score(anomaly),
            standardised=standardised if self.reconstructs else None,
            reconstruction=standardised + np.float32(0.5) if self.reconstructs else None,
        )


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_truth_folder(tmp_path_factory.mktemp("truth"))


@pytest.fixture(scope="module")
def tally(data):
    (tally,) = evaluate_contenders([Oracle(reconstructs=True)], find_truth(data), OPTIONS)
    return tally


@pytest.fixture
def run(model, tmp_path, monkeypatch, capsys):
    """Run `rfiscan evaluate` in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run_evaluate(data, *args):
        code = main(["evaluate", model, str(data), "--replicates", "5", *[str(arg) for arg in args]])
        return code, *capsys.readouterr()

    return run_evaluate


def figures_of(folder, contender=None):
    (tally,) = evaluate_contenders([contender or Oracle()], find_truth(folder), OPTIONS)
    return {name: values[0] for name, values in all_figures(tally).items()}


# figures


def test_who_sees_the_interference_has_nearly_perfect_figures(tally):
    figures = {name: values[0] for name, values in all_figures(tally).items()}
    for name in ("pixel_ap", "aupro", "f1", "iou", "pixel_ap_cross", "pd_at_far_1e-3"):
        assert figures[name] > 0.97, name
    for name in ("stripe_pd", "map", "ap50", "scene_auroc", "scene_ap", "scene_f1", "stripe_pd_land"):
        assert figures[name] == 1, name
    assert figures["false_stripes_per_scene"] == 0
    # sea of 300 looks varies by 0.25 dB: either polarization exceeds 0.5 dB in one of 44 pixels
    assert figures["far"] == pytest.approx(2 / 44, abs=0.01)
    assert figures["mse"] == pytest.approx(0.25)
    assert np.isnan(figures["pixel_ap_co"])  # there is none in co-pol
    assert tuple(figures) == FIGURE_NAMES == tuple(MEANINGS)


def test_figures_are_those_of_all_pixels_together(data, tally):
    scores, masks = [], []
    for ref in find_truth(data):
        with open_scene(ref.scene_path) as scene:
            judgement = Oracle().score(read_working_grid(scene, 500.0), 1e-3)
        scores.append(judgement.anomaly_map.ravel())
        masks.append(read_truth(ref).mask.ravel())
    exact = average_precision(np.concatenate(scores), np.concatenate(masks))
    assert all_figures(tally)["pixel_ap"][0] == pytest.approx(exact, abs=1e-3)


@pytest.mark.parametrize("surface", SURFACES)
def test_precision_over_a_surface_is_that_of_its_scenes(data, tally, surface):
    scores, masks = [], []
    for ref in find_truth(data):
        truth = read_truth(ref)
        if truth.surface == surface:
            with open_scene(ref.scene_path) as scene:
                judgement = Oracle().score(read_working_grid(scene, 500.0), 1e-3)
            scores.append(judgement.anomaly_map.ravel())
            masks.append(truth.mask.ravel())
    exact = average_precision(np.concatenate(scores), np.concatenate(masks)) if scores else np.nan
    assert all_figures(tally)[f"pixel_ap_{surface}"][0] == pytest.approx(exact, abs=0.01, nan_ok=True)


def test_strong_and_weak_pixels_make_up_all(tmp_path):
    """STRIPE brightens by more than 3 dB, a ratio of -5.5 dB by 1.1 dB."""
    faint = Block(slice(60, 66), slice(20, 80), cross_db=-5.5)
    write_truth_scene(tmp_path, "it", [STRIPE, faint])
    write_truth_scene(tmp_path, "clean", [])
    (tally,) = evaluate_contenders([Oracle()], find_truth(tmp_path), OPTIONS)
    strong, every = (tally.total(f"pixel_pos{part}")[0] for part in ("_strong", ""))
    assert (strong.sum(), every.sum()) == (8 * 80, 8 * 80 + 6 * 60)
    weak = every - strong
    figures = {name: values[0] for name, values in all_figures(tally).items()}
    parts = figures["pd_at_far_1e-3_strong"] * strong.sum() + figures["pd_at_far_1e-3_weak"] * weak.sum()
    assert parts == pytest.approx(figures["pd_at_far_1e-3"] * every.sum())
    assert figures["pd_at_far_1e-3_strong"] > figures["pd_at_far_1e-3_weak"]


def test_without_their_halo_pixels_count_as_if_it_were_not_there(tmp_path):
    """A ratio of -12 dB brightens by 0.27 dB: neither clean nor true, and the oracle scores it above clean pixels."""
    halo = Block(slice(60, 66), slice(20, 80), cross_db=-12.0)
    tallies, figures = {}, {}
    for name, blocks in (("with", [STRIPE, halo]), ("without", [STRIPE])):
        write_truth_scene(tmp_path / name, "it", blocks)
        write_truth_scene(tmp_path / name, "clean", [])
        (tallies[name],) = evaluate_contenders([Oracle()], find_truth(tmp_path / name), OPTIONS)
        figures[name] = {key: values[0] for key, values in all_figures(tallies[name]).items()}
    assert tallies["with"].total("pixel_neg_halo")[0].sum() == 6 * 60
    assert tallies["without"].total("pixel_neg_halo")[0].sum() == 0
    for name in ("pixel_ap_no_halo", "pd_at_far_1e-3_no_halo", "pd_at_far_1e-3_strong_no_halo"):
        assert figures["with"][name] == pytest.approx(figures["without"][name], abs=0.01)
        assert figures["without"][name] == figures["without"][name.removesuffix("_no_halo")]


def test_scenes_may_be_evaluated_apart_and_in_any_order(data, tally):
    refs = find_truth(data)
    contender = Oracle(reconstructs=True)
    (one,) = evaluate_contenders([contender], refs[4:], OPTIONS)
    (other,) = evaluate_contenders([contender], refs[3::-1], OPTIONS)
    one.merge(other)
    expected = all_figures(tally)
    for name, values in all_figures(one).items():
        assert values == pytest.approx(expected[name], nan_ok=True, abs=1e-9), name


def test_contenders_are_judged_as_if_alone(data, tally):
    blind = replace(Oracle(), name="blind", calibration={1e-3: 99.0})
    first, second = evaluate_contenders([blind, Oracle(reconstructs=True)], find_truth(data), OPTIONS)
    assert (first.name, second.name) == ("blind", "oracle")
    assert first.rates == (1e-3,)
    for name, total in tally.sums.items():
        assert np.array_equal(second.sums[name], total), name


def test_what_touches_no_interference_is_false(tmp_path):
    write_truth_scene(tmp_path, "it", [STRIPE])
    ref = find_truth(tmp_path)[0]
    layers = ("it_truth.tif", "it_stripes.tif", "it_interference.tif", "it_truth.json")
    unknown = tmp_path / "unknown"
    elsewhere = Block(slice(60, 66), slice(20, 80), cross_db=6)
    write_truth_scene(unknown, "it", [STRIPE, elsewhere])
    for name in layers:  # the truth of the first, the pixels of the second
        (unknown / name).write_bytes((tmp_path / name).read_bytes())
    figures = figures_of(unknown)
    assert figures["false_stripes_per_scene"] == 1
    assert figures["stripe_pd"] == 1
    assert figures["ap50"] == pytest.approx(1)  # at the highest score, or not: either box may come first
    assert figures["pixel_ap"] < 0.9
    assert ref.scene_id == "it"


def test_a_scene_is_judged_by_the_calibration_for_its_polarizations(tmp_path):
    write_truth_scene(tmp_path, "clean", [])
    seen = []

    class Fitted(Oracle):
        def for_polarizations(self, present):
            seen.append(present)
            return Oracle(calibration={1e-3: 90.0, 1e-2: 80.0})

    figures = figures_of(tmp_path, Fitted())
    assert seen == [[True, True]]
    assert figures["far"] == 0
    assert figures_of(tmp_path)["far"] > 0


def test_false_stripes_of_clean_scenes_are_told_apart(tmp_path):
    write_truth_scene(tmp_path, "clean", [])
    write_truth_scene(tmp_path, "it", [STRIPE])

    class Noisy(Oracle):
        def score(self, grid, far):
            judgement = super().score(grid, far)
            labels = judgement.labels.copy()
            if not labels.any():
                labels[:2, :2], labels[-2:, -2:] = 1, 2
            return replace(judgement, labels=labels)

    figures = figures_of(tmp_path, Noisy())
    assert figures["false_stripes_per_scene"] == 1
    assert figures["false_stripes_per_clean_scene"] == 2


def test_invisible_interference_is_neither_found_nor_missed(tmp_path):
    hidden = Block(slice(30, 38), slice(20, 100), cross_db=-9, co_db=-9)
    write_truth_scene(tmp_path, "hidden", [hidden])
    figures = figures_of(tmp_path)
    for name in ("stripe_pd", "map", "scene_auroc", "scene_f1", "far", "mse", "pixel_ap"):
        assert np.isnan(figures[name]), name
    assert figures["false_stripes_per_scene"] == 0
    (tally,) = evaluate_contenders([Oracle()], find_truth(tmp_path), OPTIONS)
    record = evaluation_record(tally, Oracle(), far=1e-3)
    assert not any(point["stripes"] for point in record["detection_curves"])
    assert {panel.y_label for panel in detection_panels(record)} == {"share of visible stripes found"}


def test_nodata_counts_nowhere(tmp_path):
    write_truth_scene(tmp_path / "whole", "it", [STRIPE], seed=3)
    write_truth_scene(tmp_path / "cut", "it", [STRIPE], seed=3, nodata_cols=60)
    whole, cut = (evaluate_contenders([Oracle()], find_truth(tmp_path / name), OPTIONS)[0] for name in ("whole", "cut"))
    assert cut.sums["pixel_pos"][0].sum() == whole.sums["pixel_pos"][0].sum() / 2
    assert cut.sums["pixel_neg"][0].sum() == 90 * 70 - 8 * 40


def test_false_alarms_are_measured_before_small_regions_are_dropped(data, model):
    contender = ModelContender(load_model(model))
    refs = [ref for ref in find_truth(data) if ref.scene_id.startswith("clean")]
    (tally,) = evaluate_contenders([contender], refs, OPTIONS)
    record = evaluation_record(tally, contender, far=1e-2)
    above = np.zeros(3)
    pixels = 0
    for ref in refs:
        with open_scene(ref.scene_path) as scene:
            anomaly = contender.score(read_working_grid(scene, 500.0), 1e-3).anomaly_map
        above += [(anomaly > contender.calibration[rate]).sum() for rate in (1e-4, 1e-3, 1e-2)]
        pixels += anomaly.size
    measured = record["far_measured"]
    assert [point["rate"] for point in measured] == [1e-4, 1e-3, 1e-2]
    assert [point["value"] for point in measured] == pytest.approx(above / pixels)
    assert record["figures"]["far"]["value"] == pytest.approx(above[1] / pixels)


def test_stripes_are_counted_by_strength_kind_and_polarization(tally):
    counts = detection_counts(tally)[0]
    assert counts[GROUPS.index("all")].sum(axis=0).tolist() == [3, 3]
    assert [counts[GROUPS.index(kind), :, 1].sum() for kind in ("continuous_wave", "pulsed", "barrage")] == [1, 1, 1]
    assert counts[GROUPS.index("cross"), :, 1].sum() == 3
    strengths = [np.searchsorted(RATIO_EDGES_DB, ibr_db, side="right") - 1 for ibr_db in (9, 6, 3)]
    assert np.flatnonzero(counts[0, :, 1]).tolist() == sorted(strengths)


@pytest.mark.parametrize(
    ("ibr_db", "strength"), [(-9, 0), (-4.5, 1), (29.9, 7), (30, None), (-9.1, None), (np.nan, None)]
)
def test_a_lower_edge_belongs_to_its_bin(ibr_db, strength):
    outcome = StripeOutcome(kind="pulsed", ibr_db=ibr_db, cross_over_co_db=0.0, found=True)
    counts = count_stripes([outcome]).reshape(len(GROUPS), -1, 2)
    assert np.flatnonzero(counts[0, :, 1]).tolist() == ([] if strength is None else [strength])
    assert counts[GROUPS.index("mixed")].sum() == counts[0].sum()


def test_surfaces_add_up(tally):
    surface = tally.sums["surface"][0].reshape(len(SURFACES), 4)
    assert surface[:, 1].tolist() == [1, 1, 1]
    assert surface[:, 2].sum() == tally.sums["far_pixels"][0, 0]


# contenders


def test_a_model_judges_as_detect_does(data, model, tmp_path):
    loaded = load_model(model)
    ref = next(ref for ref in find_truth(data) if ref.scene_id == "rfi_0")
    record = detect_scene((ref.scene_path,), loaded, DetectOptions(out_dir=tmp_path))
    with open_scene(ref.scene_path) as scene:
        judgement = ModelContender(loaded).score(read_working_grid(scene, 500.0), 1e-3)
    assert judgement.severity == record["severity"]
    assert judgement.scene_score == record["scene_score"]
    assert [d.bbox_px for d in judgement.detections] == [tuple(d["bbox_px"]) for d in record["detections"]]
    assert judgement.rfi_mask.sum() == sum(d["area_px"] for d in record["detections"])
    assert judgement.reconstruction.shape == judgement.standardised.shape


def test_a_contender_may_have_a_name_of_its_own(model):
    loaded = load_model(model)
    assert ModelContender(loaded).name == "flat"
    assert ModelContender(loaded, "mine").name == "mine"


def test_a_rate_beyond_the_calibration_is_told_before_any_scene_is_read(model):
    with pytest.raises(UsageError, match="calibrated"):
        evaluate_contenders([ModelContender(load_model(model))], [], replace(OPTIONS, far=0.3))


def test_truth_on_another_grid_is_told(tmp_path):
    power = np.random.default_rng(0).gamma(300, 1 / 300, (2, 90, 130)).astype(np.float32) * 1e4
    write_truth_scene(tmp_path, "it")
    write_scene(tmp_path / "it.tif", power, spacing_m=100.0)
    with pytest.raises(ModelFitError, match="500 m"):
        evaluate_contenders([Oracle()], find_truth(tmp_path), OPTIONS)
    write_scene(tmp_path / "it.tif", power, spacing_m=2000.0)
    with pytest.raises(ModelFitError, match="2000 m") as coarse:
        evaluate_contenders([Oracle()], find_truth(tmp_path), OPTIONS)
    assert coarse.value.hint is not None
    assert "--spacing" not in coarse.value.hint  # which evaluate does not have
    write_scene(tmp_path / "it.tif", power[:, :80])
    with pytest.raises(SceneError, match="its truth"):
        evaluate_contenders([Oracle()], find_truth(tmp_path), OPTIONS)


# the command


def test_the_command_leaves_tables_plots_and_a_record(run, data, tmp_path):
    code, out, err = run(data)
    assert code == 0, err
    assert "pixel_ap" in out
    folder = tmp_path / "rfiscan_evaluation"
    record = json.loads((folder / "evaluation.json").read_text())
    assert (record["scenes"], record["clean_scenes"], record["stripes"]) == (6, 3, 3)
    for figure in record["figures"].values():
        assert set(figure) == {"value", "low", "high"}
    for name, path in record["outputs"].items():
        content = (folder / path).read_bytes()
        assert content.startswith(PNG) == (name.endswith("_plot"))
    rows = list(csv.DictReader((folder / "figures.csv").open()))
    assert [row["figure"] for row in rows] == list(FIGURE_NAMES)
    for row in rows:
        value = record["figures"][row["figure"]]["value"]
        assert row["value"] == ("" if value is None else str(value))
    curves = list(csv.DictReader((folder / "detection_curves.csv").open()))
    assert len(curves) == len(GROUPS) * (len(RATIO_EDGES_DB) - 1)
    assert not list(folder.glob("*.part"))


def test_equal_seeds_give_equal_figures(data):
    refs, contender = find_truth(data), Oracle()
    records = []
    for seed in (1, 1, 2):
        (tally,) = evaluate_contenders([contender], refs, replace(OPTIONS, seed=seed))
        records.append(evaluation_record(tally, contender, far=1e-3)["figures"])
    first, again, other = records
    assert first == again
    assert first["far"]["value"] == other["far"]["value"]
    assert first["far"] != other["far"]


@pytest.mark.parametrize("workers", [2, 3, 50])
def test_workers_change_no_figure_beyond_rounding(data, workers):
    refs, contender = find_truth(data), Oracle()
    figures, boxes = [], []
    for options in (OPTIONS, replace(OPTIONS, workers=workers)):
        found = Submission()
        (tally,) = evaluate_contenders([contender], refs, options, on_boxes=lambda _, *rest: found.add(*rest))  # noqa: B023
        figures.append(all_figures(tally))
        boxes.append(sorted(found.entries, key=str))
    alone, shared = figures
    assert alone.keys() == shared.keys()
    for name, replicates in alone.items():
        np.testing.assert_allclose(shared[name], replicates, rtol=1e-9, err_msg=name)
    assert boxes[0] == boxes[1]


def test_a_worker_that_fails_stops_all_and_tells_why(data):
    class Broken(Oracle):
        def score(self, *_):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        evaluate_contenders([Broken()], find_truth(data), replace(OPTIONS, workers=2))


def test_json_is_the_record_alone_on_stdout_and_a_gate_decides_the_exit_code(run, data, tmp_path):
    code, out, err = run(data, "--json", "-q", "--fail-below", "pixel_ap=1.1", "--fail-below", "aupro=0.01")
    assert code == 10
    assert "pixel_ap is" in err
    assert "aupro" not in err
    assert json.loads(out) == json.loads((tmp_path / "rfiscan_evaluation" / "evaluation.json").read_text())


def test_a_gate_passes_at_its_value_and_fails_below_it_or_in_the_dark():
    figures = {"pixel_ap": {"value": 0.6}, "map": {"value": None}}
    check_gates(figures, read_gates(["pixel_ap=0.6"], ["pixel_ap", "map"]))
    with pytest.raises(QualityGateError, match=r"pixel_ap is 0\.6, less than 0\.7"):
        check_gates(figures, {"pixel_ap": 0.7})
    with pytest.raises(QualityGateError, match="map cannot be told"):
        check_gates(figures, {"map": 0.0})


@pytest.mark.parametrize("gate", ["pixel_app=0.1", "pixel_ap", "pixel_ap=high", "=1"])
def test_a_gate_that_means_nothing_is_told_before_anything_runs(run, gate, tmp_path):
    code, _, err = run(tmp_path / "nowhere", "--fail-below", gate)
    assert code == UsageError.exit_code
    assert gate in err


def test_no_data_leaves_no_folder(run, tmp_path):
    code, _, err = run(tmp_path / "nowhere")
    assert code == SceneError.exit_code
    assert "nowhere" in err
    assert not (tmp_path / "rfiscan_evaluation").exists()


def test_all_that_cannot_be_read_is_told_before_anything_is_measured(run, tmp_path, monkeypatch):
    write_truth_folder(tmp_path / "truth", contaminated=3, clean=2)
    (tmp_path / "truth" / "clean_1.tif").write_text("no scene")
    (tmp_path / "truth" / "rfi_0_truth.json").write_text("{}")
    (tmp_path / "truth" / "rfi_1_truth.tif").unlink()
    (tmp_path / "truth" / "rfi_2_stripes.tif").write_text("no raster")
    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", None)  # would be a bug, and not exit code 5
    code, _, err = run(tmp_path / "truth")
    assert code == SceneError.exit_code
    assert "4 of 5 scenes" in err
    assert all(name in err for name in ("clean_1.tif", "rfi_0_truth.json", "rfi_1_truth.tif", "rfi_2_stripes.tif"))
    assert not (tmp_path / "rfiscan_evaluation").exists()


@pytest.mark.parametrize("place", ["folder", "file/found.json"])
def test_a_submission_that_cannot_be_written_is_told_before_anything_is_measured(
    run, data, tmp_path, monkeypatch, place
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", None)
    code, _, err = run(data, "--submission", tmp_path / place)
    assert code == OutputError.exit_code
    assert "--submission" in err
    assert not (tmp_path / "rfiscan_evaluation").exists()


def test_a_submission_is_what_coco_reads(run, tmp_path):
    make_quicklook_npy(tmp_path / "sea.npy", shape=(90, 130))
    array = np.load(tmp_path / "sea.npy")
    array[30:38, 20:100, 1] = 200
    np.save(tmp_path / "sea.npy", array)
    content = {
        "info": {},
        "images": [{"id": 4, "file_name": "sea.npy", "width": 130, "height": 90}],
        "annotations": [{"id": 1, "image_id": 4, "category_id": 2, "bbox": [20, 30, 80, 8], "area": 640, "iscrowd": 0}],
        "categories": [{"id": 2, "name": "rfi"}],
    }
    (tmp_path / "boxes.json").write_text(json.dumps(content))
    code, out, err = run("boxes.json", "--submission", "found.json", "--json")
    assert code == 0, err
    found = json.loads((tmp_path / "found.json").read_text())
    assert {(entry["image_id"], entry["category_id"]) for entry in found} == {(4, 2)}
    assert COCO(str(tmp_path / "boxes.json")).loadRes(found).getAnnIds()
    best = max(found, key=lambda entry: entry["score"])["bbox"]
    assert best == pytest.approx([20, 30, 80, 8], abs=6)
    figures = json.loads(out)["figures"]
    assert figures["stripe_pd"]["value"] == 1
    assert figures["pixel_ap"]["value"] is None


@pytest.mark.real
def test_boxes_over_real_quicklooks_are_data(real_data, tmp_path, capsys):
    boxes = real_data / "quicklook" / "rfi" / "annotations.json"
    submission = tmp_path / "found.json"
    args = ["--json", "-q", "--replicates", "5", "-o", str(tmp_path / "out"), "--submission", str(submission)]
    assert main(["evaluate", "cae", str(boxes), *args]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["scenes"], record["stripes"]) == (2, 17)
    figures = {name: figure["value"] for name, figure in record["figures"].items()}
    assert figures["stripe_pd"] >= 6 / 17  # the strong ones but two dots: docs/accuracy.md
    assert figures["ap50"] > 0
    assert figures["pixel_ap"] is None
    assert COCO(str(boxes)).loadRes(str(submission)).getAnnIds()


@pytest.mark.parametrize("text", ["false_stripes_per_scene=2", "mse=0.1", "far=1e-3", "far_sea=1e-3"])
def test_a_gate_from_below_is_refused_where_lower_is_better(text):
    with pytest.raises(UsageError, match="lower is better"):
        read_gates([text], FIGURE_NAMES)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_gate_is_a_finite_number(value):
    with pytest.raises(UsageError, match="finite"):
        read_gates([f"pixel_ap={value}"], FIGURE_NAMES)


def test_scenes_over_one_background_are_drawn_together(data, tmp_path):
    refs, contender = find_truth(data), Oracle()
    folder = tmp_path / "shared"
    shutil.copytree(data, folder)
    for path in folder.glob("*_truth.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "background": "one"}))
    (apart,) = evaluate_contenders([contender], refs, OPTIONS)
    (together,) = evaluate_contenders([contender], find_truth(folder), OPTIONS)
    values, same = all_figures(apart)["far"], all_figures(together)["far"]
    assert same[0] == values[0]
    assert np.ptp(values[np.isfinite(values)]) > 1e-6
    assert np.ptp(same[np.isfinite(same)]) < 1e-12  # all or nothing: the share of each scene never changes
    weights = scene_weights("one", OPTIONS.seed, OPTIONS.replicates)
    assert np.array_equal(together.sums["scenes"][:, 0], len(refs) * weights)
    assert set(together.boxes.scene_ids) == {"one"}


def test_false_stripes_choose_how_far_a_stripe_must_stand_out(tmp_path):
    card = load_model(save_flat_model(tmp_path / "flat")).card
    ranks = {far: {1.0: 0.0, 0.1: 1e6} for far in card.thresholds}
    model = load_model(tmp_path / "flat")
    model = replace(model, card=replace(card, stripe_ranks=ranks))
    write_truth_scene(tmp_path / "truth", "it", [STRIPE])
    found = {}
    for number in (1.0, 0.1):
        record = evaluate_model(model, tmp_path / "truth", EvaluateOptions(false_stripes=number, replicates=2))
        assert record["requested_false_stripes"] == number
        found[number] = record["figures"]["stripe_pd"]["value"]
    assert found == {1.0: 1.0, 0.1: 0.0}


def test_a_number_of_false_stripes_that_is_not_calibrated_is_told_before_any_scene_is_read(run, data):
    code, out, err = run(data, "--false-stripes", "2")
    assert code == 2
    assert not out
    assert "not calibrated for false stripes" in " ".join(err.split())
