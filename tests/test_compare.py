"""Comparisons: same scenes, paired differences, honest words, and costs that can be checked by hand."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from rfiscan.__main__ import main
from rfiscan.cli.comparison_tables import comparison_table
from rfiscan.errors import QualityGateError, UsageError
from rfiscan.export.comparison_grid import GridCell, GridScene, write_grid
from rfiscan.metrics.bootstrap import Difference
from rfiscan.metrics.figures import FIGURE_NAMES
from rfiscan.model_files.checkpoint import load_model, save_model
from rfiscan.networks import EvidenceNetwork, build_network
from rfiscan.networks.frozen import fold_batch_norms
from rfiscan.truth import find_truth
from rfiscan.workflows import compare as compare_module
from rfiscan.workflows.compare import CompareOptions, compare, draw_scenes, name_contenders
from rfiscan.workflows.evaluate import EvaluateOptions, evaluate_contenders
from rfiscan.workflows.evaluating import comparison_scenes
from rfiscan.workflows.evaluating import cost as cost_module
from rfiscan.workflows.evaluating.baseline_contenders import BaselineContender, build_baselines
from rfiscan.workflows.evaluating.comparison_outputs import best_names, markdown
from rfiscan.workflows.evaluating.comparison_scenes import choose_examples
from rfiscan.workflows.evaluating.contenders import ModelContender
from rfiscan.workflows.evaluating.cost import Cost, count_flops, measure_cost
from rfiscan.workflows.evaluating.evaluation_record import evaluation_record
from rfiscan.workflows.evaluating.standings import UNJUDGED, Standings, verdicts
from rfiscan.workflows.sea_tile import grid_of, sea_power
from tests.truth_folder import Block, write_truth_folder, write_truth_scene

RATES = {1e-4: 8.0, 1e-3: 6.0, 1e-2: 4.0}
NO_COSTS = CompareOptions(evaluation=EvaluateOptions(replicates=60), costs=False)


class Level:
    """A detector that takes brightness for interference, or darkness where its sign is -1."""

    shared_weight = 0.0

    def __init__(self, sign=1.0):
        self.sign = sign

    def excess(self, level_db, valid):  # noqa: ARG002
        return np.float32(self.sign) * level_db


def level_contender(name="level", sign=1.0):
    return BaselineContender(name=name, detector=Level(sign), calibration=RATES, stripe_ranks={})


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_truth_folder(tmp_path_factory.mktemp("data"), contaminated=4, clean=3)


@pytest.fixture
def flat(model):
    return ModelContender(load_model(model))


@pytest.fixture(scope="module")
def calibrated():
    """The five baselines, from few and small scenes."""
    return build_baselines(calibration_scenes=2, fit_scenes=1, shape=(120, 160))


def run(contenders, data, out_dir, options=NO_COSTS):
    return compare(contenders, find_truth(data), options, data=data, out_dir=out_dir)


def entry_of(record, name):
    return next(entry for entry in record["contenders"] if entry["name"] == name)


@pytest.fixture(scope="module")
def compared(model, data, tmp_path_factory):
    """A model, a baseline that is better and one that is worse; with the folder of the outputs."""
    folder = tmp_path_factory.mktemp("compared")
    contenders = [level_contender("dark", -1.0), ModelContender(load_model(model)), level_contender("bright")]
    return run(contenders, data, folder), folder


# the record


def test_a_comparison_ranks_contenders_and_leaves_its_files(compared):
    record, folder = compared
    assert [entry["name"] for entry in record["contenders"]] == record["ranking"]
    assert record["ranking"][2] == "dark"
    assert (record["scenes"], record["clean_scenes"], record["stripes"]) == (7, 3, 4)
    assert json.loads((folder / "comparison.json").read_text()) == record
    names = {"comparison.json", "comparison.csv", "comparison.md", "grid.png"}
    assert {Path(path).name for path in record["outputs"].values()} == {path.name for path in folder.iterdir()} == names
    assert all(set(entry["figures"]) == set(FIGURE_NAMES) for entry in record["contenders"])


def test_figures_are_those_of_an_evaluation(compared, flat, data):
    (tally,) = evaluate_contenders([flat], find_truth(data), NO_COSTS.evaluation)
    alone = evaluation_record(tally, flat, far=NO_COSTS.evaluation.far)
    assert entry_of(compared[0], "flat")["figures"] == alone["figures"]


def test_differences_cover_every_pair_and_agree_with_the_figures(compared):
    record, _ = compared
    assert {(pair["one"], pair["other"]) for pair in record["differences"]} == set(combinations(record["ranking"], 2))
    for pair in record["differences"]:
        one, other = (entry_of(record, pair[side])["figures"]["pixel_ap"]["value"] for side in ("one", "other"))
        gap = pair["figures"]["pixel_ap"]
        assert gap["value"] == pytest.approx(one - other)
        assert gap["low"] <= gap["high"]


def test_the_csv_holds_every_figure_and_its_difference_to_the_first(compared):
    record, folder = compared
    with (folder / "comparison.csv").open(newline="") as file:
        rows = {(row["contender"], row["figure"]): row for row in csv.DictReader(file)}
    assert len(rows) == 3 * len(FIGURE_NAMES)
    gap = entry_of(record, "dark")["difference_to_first"]["pixel_ap"]
    assert float(rows["dark", "pixel_ap"]["difference_value"]) == pytest.approx(gap["value"])
    assert rows[record["ranking"][0], "pixel_ap"]["difference_value"] == ""


def test_a_limit_draws_scenes_by_the_seed(data, tmp_path):
    """Every k-th scene would not do: a benchmark repeats its strata in turn."""
    limited = run([level_contender()], data, tmp_path, replace(NO_COSTS, limit=3, examples=False))
    assert limited["scenes"] == 3
    refs = find_truth(data)
    places = [[refs.index(ref) for ref in draw_scenes(refs, 3, seed)] for seed in range(60)]
    assert all(drawn == sorted(set(drawn)) for drawn in places)
    assert {place for drawn in places for place in drawn} == set(range(len(refs)))
    assert len({tuple(drawn) for drawn in places}) > 20
    whole = run([level_contender()], data, tmp_path, replace(NO_COSTS, limit=99, examples=False))
    assert whole["scenes"] == 7


def test_a_contender_does_not_differ_from_itself(data, tmp_path):
    record = run([level_contender("one"), level_contender("two")], data, tmp_path)
    (pair,) = record["differences"]
    told = [gap for gap in pair["figures"].values() if gap["value"] is not None]
    assert told
    assert all((gap["value"], gap["low"], gap["high"], gap["p"]) == (0, 0, 0, 1) for gap in told)


def test_two_contenders_of_one_name_are_refused(data, tmp_path):
    with pytest.raises(UsageError, match="level"):
        run([level_contender(), level_contender()], data, tmp_path)
    assert not any(tmp_path.iterdir())


def test_models_of_equal_cards_are_named_by_what_was_typed(model, tmp_path):
    loaded = load_model(model)
    assert [c.name for c in name_contenders([model], [loaded], EvaluateOptions())] == ["flat"]
    assert [c.name for c in name_contenders(["a", "b"], [loaded, loaded], EvaluateOptions())] == ["a", "b"]
    with pytest.raises(UsageError, match="2 times"):
        name_contenders(["a", "a"], [loaded, loaded], EvaluateOptions())


# words


def gap(value, half=0.01):
    return Difference(value=value, low=value - half, high=value + half, p=0.5)


def standings_of(values, figure="pixel_ap", half=0.01):
    """Standings in which contenders have given values, each with equally wide intervals."""
    ranking = tuple(sorted(values, key=lambda name: -values[name]))
    differences = {(a, b): {figure: gap(values[a] - values[b], half)} for a in values for b in values if a != b}
    return Standings(ranked_by=figure, ranking=ranking, differences=differences)


def test_words_say_who_beats_whom_and_by_how_much():
    (told, *_) = verdicts(standings_of({"cae": 0.65, "mae": 0.5}), ["cae", "mae"], [])
    assert told == "cae beats mae in pixel_ap by 0.150 [0.140, 0.160]"


def test_words_do_not_tell_apart_what_the_interval_does_not():
    (told,) = verdicts(standings_of({"cae": 0.505, "mae": 0.5}), ["cae", "mae"], [])
    assert told.startswith("cae and mae are not told apart in pixel_ap")


@pytest.mark.parametrize("model_value", [0.3, 0.5, 0.505])
def test_words_say_where_a_model_does_not_beat_a_baseline(model_value):
    said = verdicts(standings_of({"mae": model_value, "gabor": 0.5}), ["mae"], ["gabor"])
    assert any("mae does NOT beat the baseline gabor" in sentence for sentence in said)


def test_words_name_the_best_of_the_baselines_that_are_beaten():
    (told,) = verdicts(standings_of({"mae": 0.6, "gabor": 0.5, "rows": 0.4}), ["mae"], ["rows", "gabor"])
    assert told == "mae beats every baseline in pixel_ap; the best of them, gabor, by 0.100 [0.090, 0.110]"


def test_fewer_false_stripes_are_better():
    standings = standings_of({"quiet": 0.1, "noisy": 2.0}, figure="false_stripes_per_scene")
    assert standings.beats("quiet", "noisy", "false_stripes_per_scene")
    assert not standings.beats("noisy", "quiet", "false_stripes_per_scene")
    assert standings.unbeaten("noisy", ["quiet"], "false_stripes_per_scene") == ["quiet"]


def test_without_intervals_nothing_is_judged(flat, data, tmp_path):
    options = replace(NO_COSTS, evaluation=EvaluateOptions(replicates=0), examples=False)
    record = run([flat, level_contender("dark", -1.0), level_contender("bright")], data, tmp_path, options)
    assert record["differences"][0]["figures"]["pixel_ap"]["value"] is not None
    assert record["verdicts"] == []
    assert all(entry["unbeaten_baselines"] == {} for entry in record["contenders"])
    for text in (comparison_table(record), markdown(record)):
        assert "†" not in text
        assert "nan" not in text


def test_tables_mark_what_does_not_beat_a_baseline(compared):
    record, _ = compared
    assert entry_of(record, "flat")["unbeaten_baselines"]["pixel_ap"] == ["bright"]
    assert entry_of(record, "bright")["unbeaten_baselines"] == {}
    for text in (comparison_table(record), markdown(record)):
        row = next(line for line in text.splitlines() if "pixel_ap" in line)
        assert row.count("†") == 1
        assert "does NOT beat the baseline bright" in text


def test_markdown_is_a_table_with_a_column_a_contender(compared):
    _, folder = compared
    table = [line for line in (folder / "comparison.md").read_text().splitlines() if line.startswith("|")]
    assert {line.count("|") for line in table} == {5}
    row = next(line for line in table if "`pixel_ap`" in line)
    assert "**" in row.split("|")[2]
    assert "**" not in row.split("|")[4]


@pytest.mark.parametrize("name", sorted(UNJUDGED))
def test_nobody_is_best_in_a_figure_that_is_not_judged(name):
    contenders = [{"name": str(value), "figures": {name: {"value": value}}} for value in (0.1, 0.2)]
    assert best_names(contenders, name) == []
    renamed = [{"name": entry["name"], "figures": {"pixel_ap": entry["figures"][name]}} for entry in contenders]
    assert best_names(renamed, "pixel_ap") == ["0.2"]


# costs


def test_operations_of_convolutions_are_those_of_the_formula():
    class One(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(2, 4, 3, padding=1)

        def reconstruct(self, tiles, valid):  # noqa: ARG002
            return self.layer(tiles)

    assert count_flops(One(), (20, 30)) == 2 * (20 * 30) * (2 * 3 * 3) * 4


def test_operations_of_attention_are_counted():
    """Fused kernels hide them from the counter; by hand: two multiply-adds a weight and token, and attention's two."""
    tile, patch, width, count = (40, 40), 10, 24, 16
    settings = {
        "tile": tile,
        "patch": [patch, patch],
        "width": width,
        "depth": 2,
        "heads": 2,
        "decoder_width": width,
        "decoder_depth": 1,
        "decoder_heads": 2,
        "mask_ratio": 0.5,
        "passes": 2,
    }
    network = build_network("mae", settings).eval()

    def layer(tokens):
        return 2 * tokens * 12 * width**2 + 2 * 2 * tokens**2 * width

    pixels = 4 * patch * patch
    a_pass = 2 * (count // 2) * pixels * width + 2 * layer(count // 2)
    a_pass += 2 * (count // 2) * width**2 + layer(count) + 2 * count * width * pixels
    assert count_flops(network, tile) == len(network.masks) * a_pass


def test_operations_of_the_evidence_network_come_on_top():
    network = build_network("cae", {"width": 4, "code": 2, "context": 1}).eval()
    evidence = EvidenceNetwork(width=4, context=1).eval()
    by_hand, as_run = [], fold_batch_norms(evidence)
    for module in as_run.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda conv, _, out: by_hand.append(2 * out.numel() * conv.in_channels * conv.kernel_size[0] ** 2)
            )
    count_flops(network, (32, 48), as_run)
    both = count_flops(network, (32, 48), evidence)
    assert both == count_flops(network, (32, 48)) + sum(by_hand) > count_flops(network, (32, 48))


def test_counting_leaves_the_fused_kernels_on():
    before = torch.backends.mha.get_fastpath_enabled()
    count_flops(build_network("cae", {"width": 4, "code": 2, "context": 1}), (32, 48))
    assert torch.backends.mha.get_fastpath_enabled() == before


@pytest.mark.slow
def test_costs_of_a_model(flat):
    cost = measure_cost(flat, 1e-3, runs=1)
    assert cost.parameters == sum(p.numel() for p in flat.model.network.parameters())
    assert cost.size_bytes == (flat.model.path / "model.safetensors").stat().st_size
    assert cost.flops_per_tile == count_flops(flat.model.network, (340, 500))
    assert cost.tiles_per_s > 0
    assert cost.peak_rss_mb > 50  # torch alone is more


def test_costs_of_a_model_count_both_networks(flat, tmp_path, monkeypatch):
    monkeypatch.setattr(cost_module, "peak_of_model", lambda *_, **__: None)
    evidence, card = EvidenceNetwork(width=4, context=1), replace(flat.model.card, evidence={"width": 4, "context": 1})
    save_model(tmp_path / "both", flat.model.network, card, evidence)
    alone, both = (measure_cost(c, 1e-3, runs=1) for c in (flat, ModelContender(load_model(tmp_path / "both"))))
    assert both.parameters - alone.parameters == sum(p.numel() for p in evidence.parameters())
    assert both.size_bytes - alone.size_bytes == (tmp_path / "both" / "evidence.safetensors").stat().st_size
    assert both.flops_per_tile == count_flops(flat.model.network, (340, 500), evidence.eval()) > alone.flops_per_tile


def test_costs_of_a_baseline(calibrated):
    contender = next(c for c in calibrated if c.name == "pca")
    cost, fitted = measure_cost(contender, 1e-2, runs=1), contender.detector
    assert cost.parameters == fitted.mean.size + fitted.basis.size + fitted.spread.size
    assert cost.size_bytes == 4 * cost.parameters
    assert cost.flops_per_tile is None
    assert cost.peak_rss_mb > 10


def test_scoring_with_a_baseline_in_a_new_process_needs_no_torch():
    code = "import sys, rfiscan.workflows.peak_memory; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == 0


def test_costs_are_in_the_record_and_in_the_tables(flat, data, tmp_path, monkeypatch):
    cost = Cost(parameters=1234, flops_per_tile=None, tiles_per_s=2.0, peak_rss_mb=99.0, size_bytes=5_000_000)
    monkeypatch.setattr(compare_module, "measure_cost", lambda *_: cost)
    record = run([flat], data, tmp_path, replace(NO_COSTS, costs=True, examples=False, limit=2))
    assert record["contenders"][0]["cost"]["parameters"] == 1234
    assert "| parameters | 1,234 |" in markdown(record)
    assert "| GFLOP a tile | - |" in markdown(record)


# baselines as contenders


def test_baselines_are_calibrated_to_the_rates_of_models(calibrated):
    assert [c.name for c in calibrated] == ["rayleigh", "median", "gabor", "rows", "pca"]
    for contender in calibrated:
        thresholds = [contender.calibration[rate] for rate in sorted(contender.calibration)]
        assert thresholds == sorted(thresholds, reverse=True)
        assert contender.threshold(1e-2) == contender.calibration[1e-2]
        assert contender.threshold(2e-3) < contender.threshold(1e-3)
        with pytest.raises(UsageError, match=contender.name):
            contender.threshold(1e-7)


def test_the_same_baselines_come_out_of_every_call(calibrated):
    again = build_baselines(calibration_scenes=2, fit_scenes=1, shape=(120, 160))
    assert [c.calibration for c in again] == [c.calibration for c in calibrated]


def test_a_baseline_judges_like_a_model(calibrated):
    power = sea_power((120, 160))
    power[1, 50:60, :50] *= 4
    for contender in calibrated:
        judgement = contender.score(grid_of(power), 1e-2)
        assert judgement.anomaly_map.shape == judgement.rfi_mask.shape == (120, 160)
        assert judgement.reconstruction is None
        assert judgement.rfi_mask[50:60, :50].mean() > 0.5
        assert judgement.detections[0].polarizations == ("VH",)
        assert 0 < judgement.severity <= 1


# the picture


def test_examples_are_one_of_each_kind_and_follow_the_seed(data):
    refs = find_truth(data)
    examples = choose_examples(refs, 1)
    assert [example.label for example in examples] == ["strong", "medium", "weak", "clean"]
    peaks = [max(s.ibr_db for s in example.truth.stripes) for example in examples[:3]]
    assert peaks == sorted(peaks, reverse=True)
    assert examples[3].truth.clean
    assert [e.ref for e in choose_examples(refs, 1)] == [e.ref for e in examples]


def test_data_without_contaminated_or_clean_scenes_have_fewer_examples(tmp_path):
    write_truth_scene(tmp_path, "only", [Block(slice(30, 38), slice(20, 100))])
    assert len(choose_examples(find_truth(tmp_path), 0)) == 1
    write_truth_folder(tmp_path / "clean", contaminated=0, clean=2)
    assert [e.label for e in choose_examples(find_truth(tmp_path / "clean"), 0)] == ["clean"]


@pytest.mark.parametrize("truth_known", [True, False])
def test_the_grid_has_a_row_a_scene_and_a_column_a_panel(tmp_path, truth_known):
    import rasterio

    level = np.zeros((60, 90), np.float32)
    level[:, :10] = np.nan
    mask = np.zeros(level.shape, bool)
    mask[20:25, 30:60] = True

    def picture(name, rows, **cells):
        scene = GridScene(
            title="a", level_db=level, truth=mask if truth_known else None, boxes=[(30, 20, 30, 5)], cells=cells
        )
        write_grid(tmp_path / name, [scene] * rows)
        with rasterio.open(tmp_path / name) as file:
            return file.height, file.width

    plain = GridCell(mask=mask)
    network = GridCell(mask=mask, reconstruction_db=np.zeros_like(level))
    small, tall = picture("a.png", 1, plain=plain), picture("b.png", 3, plain=plain)
    wide = picture("c.png", 1, plain=plain, network=network)
    assert tall[0] > small[0]
    assert wide[1] > small[1]


# the command


def test_the_command_prints_a_table_or_one_line_of_json(model, data, tmp_path, capsys, monkeypatch):
    cost = Cost(parameters=1234, flops_per_tile=None, tiles_per_s=2.0, peak_rss_mb=99.0, size_bytes=5_000_000)
    monkeypatch.setattr(compare_module, "measure_cost", lambda *_: cost)
    arguments = ["compare", model, "--data", str(data), "-o", str(tmp_path / "out"), "--replicates", "20", "-q"]
    assert main([*arguments, "--limit", "3"]) == 0
    assert "pixel_ap" in capsys.readouterr().out
    assert main([*arguments, "--limit", "1", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["contenders"][0]["cost"]["parameters"] == 1234
    assert record["replicates"] == 20


def test_a_gate_holds_for_every_model_but_not_for_baselines():
    from rfiscan.cli.compare import _check_models

    def entry(name, value, *, learned):
        return {"name": name, "learned": learned, "figures": {"pixel_ap": {"value": value}}}

    good, bad, baseline = (
        entry("cae", 0.7, learned=True),
        entry("mae", 0.5, learned=True),
        entry("rows", 0.1, learned=False),
    )
    _check_models({"contenders": [good, baseline]}, {"pixel_ap": 0.6})
    with pytest.raises(QualityGateError, match="mae: pixel_ap"):
        _check_models({"contenders": [good, bad, baseline]}, {"pixel_ap": 0.6})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--data", "nowhere"], 5),
        (["nosuchmodel", "--data", "DATA"], 5),
        (["--data", "DATA", "--fail-below", "nonsense=1"], 2),
        (["MODEL", "--data", "DATA", "--replicates", "0"], 2),
        (["MODEL", "MODEL", "--data", "DATA"], 2),
        ([], 2),
    ],
)
def test_mistakes_end_with_their_exit_codes(model, data, tmp_path, arguments, code):
    named = {"DATA": str(data), "MODEL": model}
    typed = [named.get(argument, argument) for argument in arguments]
    assert main(["compare", *typed, "-o", str(tmp_path / "out")]) == code
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("limit", [2, 4])
def test_what_cannot_be_read_is_told_before_anything_is_measured(tmp_path, monkeypatch, capsys, limit):
    folder = write_truth_folder(tmp_path / "truth", contaminated=2, clean=2)
    refs = find_truth(folder)
    left_out = next(ref for ref in refs if ref not in draw_scenes(refs, 2, 0))
    left_out.scene_path.write_text("no scene")

    def load(*_args, **_kwargs):
        raise RuntimeError("models are loaded")

    monkeypatch.setattr("rfiscan.runtimes.loading.load_runnable", load)
    code = main(["compare", "cae", "--data", str(folder), "--limit", str(limit), "-o", str(tmp_path / "out")])
    err = capsys.readouterr().err
    assert (code == 5, left_out.scene_path.name in err, "models are loaded" in err) == (
        limit == 4,
        limit == 4,
        limit == 2,
    )


def test_help_loads_nothing_heavy():
    code = (
        "import sys\nfrom rfiscan.__main__ import main\nmain(['compare', '--help'])\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'matplotlib')))"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], check=False, timeout=60, stdout=subprocess.DEVNULL).returncode == 0
    )


def test_long_names_of_scenes_fit_into_a_row_of_the_picture():
    long = "v1_real_S1A_IW_GRDH_20221002_0664_04"
    shortened = comparison_scenes._shortened(long)
    assert len(shortened) == comparison_scenes.LONGEST_NAME
    assert (long[:9], long[-9:]) == (shortened[:9], shortened[-9:])
    assert comparison_scenes._shortened("v1_0185") == "v1_0185"
