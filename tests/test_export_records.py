from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import OutputError
from rfiscan.export.records import to_json, write_record

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50, deadline=None)
@given(value=plain)
def test_plain_values_come_back_as_they_were(value):
    assert json.loads(to_json(value)) == value


def test_values_of_numpy_and_paths_become_plain():
    record = {
        "count": np.int64(3),
        "share": np.float32(0.5),
        "flag": np.bool_(True),
        "shape": (np.int32(2), 3),
        "map": np.arange(4).reshape(2, 2),
        "path": Path("a") / "b.tif",
    }
    assert json.loads(to_json(record)) == {
        "count": 3,
        "share": 0.5,
        "flag": True,
        "shape": [2, 3],
        "map": [[0, 1], [2, 3]],
        "path": str(Path("a") / "b.tif"),
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -np.inf, np.float32("nan")])
def test_what_json_has_no_number_for_is_null(value):
    assert json.loads(to_json({"a": value, "b": [value, 1.0], "c": np.array([value, 2.0])})) == {
        "a": None,
        "b": [None, 1.0],
        "c": [None, 2.0],
    }


def test_one_record_is_one_line_unless_indented():
    assert to_json({"a": [1, {"b": "ö\n"}]}) == '{"a":[1,{"b":"ö\\n"}]}'


def test_a_value_without_a_form_in_json_is_refused():
    with pytest.raises(TypeError):
        to_json({"a": object()})


def test_the_record_keeps_the_order_of_its_keys(tmp_path):
    path = tmp_path / "scene.json"
    write_record(path, {"scene": "Å", "b": 1, "a": 2})
    assert list(json.loads(path.read_text(encoding="utf-8"))) == ["scene", "b", "a"]
    assert [file.name for file in tmp_path.iterdir()] == ["scene.json"]


def test_a_record_that_cannot_be_written_is_an_output_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_record(tmp_path / "file" / "scene.json", {})
