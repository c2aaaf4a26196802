from __future__ import annotations

import csv
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.__main__ import main
from rfiscan.errors import SceneError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.workflows.detect import DetectOptions, detect_scene
from rfiscan.workflows.stack import drop_days, rank_stack, read_records, stack_warnings, write_stack
from tests.flat_model import save_flat_model, sea_power, write_scene

quick = settings(max_examples=50, deadline=None)


def make_record(number=0, severity=0.0, **changes):
    stripe = {"polarizations": ["VH"], "peak_excess_db": 4.0}
    values = {
        "scene": f"S1A_IW_GRDH_1SDV_202201{1 + number % 28:02d}T205126_{number:04d}",
        "status": "done",
        "severity": severity,
        "flagged_share": severity / 50,
        "polarizations": ["VV", "VH"],
        "detections": [stripe] * round(10 * severity),
        "model": "cae",
        "model_sha256": "0f",
        "far": 1e-3,
        "least_rank": 1.0,
    }
    return {**values, **changes}


@quick
@given(severities=st.lists(st.floats(0, 1), min_size=1, max_size=12), limit=st.floats(0, 1), seed=st.randoms())
def test_the_worst_come_first_and_what_is_above_the_limit_is_dropped(severities, limit, seed):
    records = [make_record(number, severity) for number, severity in enumerate(severities)]
    entries = rank_stack(records, limit)
    assert all(a.severity >= b.severity for a, b in pairwise(entries))
    assert sorted(e.scene for e in entries) == sorted(r["scene"] for r in records)
    assert {e.scene for e in entries if e.drop} == {r["scene"] for r in records if r["severity"] > limit}
    seed.shuffle(records)
    assert rank_stack(records, limit) == entries
    assert all(entry.day in drop_days(entries) for entry in entries if entry.drop)


def test_a_day_is_dropped_if_any_of_its_scenes_is():
    day = [make_record(0, severity, scene=f"S1A_IW_20220105T{n}") for n, severity in enumerate((0.0, 0.9))]
    entries = rank_stack(
        [*day, make_record(1, 0.05, scene="S1A_IW_20220110T1"), make_record(2, 1.0, scene="harbour")], 0.1
    )
    assert drop_days(entries) == ["20220105"]
    assert [entry.day for entry in entries if entry.scene == "harbour"] == [None]


def test_what_a_row_says():
    weak, strong = ({"polarizations": [name], "peak_excess_db": db} for name, db in (("VH", None), ("VV", 7.5)))
    (entry,) = rank_stack([make_record(3, 0.4, detections=[weak, strong])])
    assert (entry.stripes, entry.peak_excess_db, entry.polarizations, entry.day) == (2, 7.5, "VV+VH", "20220104")
    (entry,) = rank_stack([make_record(3, 0.0)])
    assert (entry.stripes, entry.peak_excess_db, entry.polarizations, entry.drop) == (0, None, "", False)


def test_only_records_of_finished_scenes_are_read(tmp_path):
    contents = {
        "a.json": json.dumps(make_record(1, 0.3)),
        "deeper/b.json": json.dumps(make_record(2, 0.6)),
        "failed.json": json.dumps(make_record(3, status="failed")),
        "unknown.json": json.dumps({**make_record(4), "severity": None}),
        "boxes.coco.json": json.dumps({"images": [], "annotations": []}),
        "list.json": "[1, 2]",
        "torn.json": '{"scene": "x", ',
    }
    for name, text in contents.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert [record["severity"] for record in read_records(tmp_path)] == [0.3, 0.6]


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(SceneError, match="no finished scene"):
        read_records(tmp_path)
    with pytest.raises(SceneError, match="no folder"):
        read_records(tmp_path / "absent")


@pytest.mark.parametrize(("key", "value"), [("model_sha256", "1e"), ("far", 1e-4), ("least_rank", 2.0)])
def test_what_cannot_be_compared_is_told(key, value):
    alike = [make_record(number) for number in range(3)]
    assert stack_warnings(alike) == []
    assert len(stack_warnings([*alike, make_record(3, **{key: value})])) == 1


def test_a_scene_that_is_there_twice_is_told_and_dropped_once(tmp_path):
    records = [make_record(1, 0.5), make_record(1, 0.4)]
    assert any("more than once" in warning for warning in stack_warnings(records))
    write_stack(rank_stack(records), tmp_path)
    assert (tmp_path / "drop_scenes.txt").read_text().splitlines() == [records[0]["scene"]]


def test_lists_are_there_and_empty_where_nothing_is_dropped(tmp_path):
    outputs = write_stack(rank_stack([make_record(1, 0.0)]), tmp_path)
    assert (tmp_path / "drop_days.txt").read_bytes() == (tmp_path / "drop_scenes.txt").read_bytes() == b""
    assert all((tmp_path / name).exists() for name in ("stack.csv", "stack.ndjson"))
    assert len(outputs) == 4


def test_the_command_ranks_what_detect_wrote(tmp_path, capsys):
    model = load_model(save_flat_model(tmp_path / "model"))
    for day, factor in (("20220105", 1.0), ("20220117", 9.0)):
        power = sea_power((96, 128))
        power[1, 40:52, :90] *= factor
        path = write_scene(tmp_path / f"S1A_IW_{day}.npy", power)
        detect_scene((path,), model, DetectOptions(out_dir=tmp_path / "found"))
    assert main(["stack", str(tmp_path / "found"), "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["scene"], row["drop"]) for row in rows] == [("S1A_IW_20220117", True), ("S1A_IW_20220105", False)]
    assert (tmp_path / "found" / "drop_days.txt").read_text() == "20220117\n"
    with (tmp_path / "found" / "stack.csv").open(newline="") as file:
        assert [row["severity"] for row in csv.DictReader(file)] == [str(row["severity"]) for row in rows]
    assert main(["stack", str(tmp_path / "found")]) == 0
    shown = capsys.readouterr().out
    assert shown.index("S1A_IW_20220117") < shown.index("S1A_IW_20220105")
    assert shown.count("drop") == 2  # the heading and one scene
