"""Runtimes: which one is taken, and that all of them compute the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from rfiscan.__main__ import main
from rfiscan.cli.options import BackendName, PrecisionName
from rfiscan.errors import MissingExtraError, ModelError, UsageError
from rfiscan.model_files.checkpoint import load_model
from rfiscan.runtimes import backends, graph_cache, loading
from rfiscan.runtimes.backends import choose_backend, thread_count
from rfiscan.runtimes.graph_cache import cache_dir, cached_graph
from rfiscan.runtimes.loading import load_runnable, model_graph
from tests.flat_model import sea_power, write_scene
from tests.small_models import draw_tiles, save_small_model

ROOT = Path(__file__).parents[1]
AGREEMENT = 1e-5
"""Largest difference between float32 runtimes, as a share of the largest magnitude of a map in standardised units."""

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(params=["openvino", "onnx"])
def backend(request):
    for package in backends.PACKAGES[request.param]:
        pytest.importorskip(package)
    return request.param


@pytest.fixture(scope="module", params=["cae", "mae", "cae without evidence", "dae", "vae", "vae by its bound"])
def folder(request, tmp_path_factory):
    name, *without = request.param.split(" ", 1)
    card = {"evidence": {"kind": "bound", "smooth_px": [3, 7]}} if request.param.endswith("bound") else {}
    return save_small_model(tmp_path_factory.mktemp("models") / name, name, weighs=not without, **card)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return save_small_model(tmp_path_factory.mktemp("models") / "small")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RFISCAN_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


def difference(found, expected):
    return max(np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, expected, strict=True))


# what they compute


def test_float32_runtimes_agree(folder, backend):
    expected, runtime = load_model(folder).runtime, load_runnable(folder, backend=backend).runtime
    assert (runtime.backend, runtime.precision, runtime.weighs) == (backend, "f32", expected.weighs)
    results = []
    for count in (1, 4, 3):
        tiles = draw_tiles(count, seed=count)
        found = runtime.run(*tiles)
        assert all(made.dtype == np.float32 and made.shape == tiles[0].shape for made in found)
        results.append((found, expected.run(*tiles)))
    for found, wanted in results:  # at the end: a result outlives the next call
        assert difference(found, wanted) <= AGREEMENT


@pytest.mark.parametrize("name", ["torch", "openvino", "onnx"])
def test_threads_may_share_a_runtime(small, name):
    if not backends.is_installed(name):
        pytest.skip(f"{name} is not installed")
    runtime = load_runnable(small, backend=name, workers=3).runtime
    batches = [draw_tiles(2, seed=seed) for seed in range(12)]
    expected = [runtime.run(*batch) for batch in batches]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda batch: runtime.run(*batch), batches))
    assert max(difference(a, b) for a, b in zip(found, expected, strict=True)) <= AGREEMENT


def test_bfloat16_in_openvino_is_taken_when_asked_for_only(small):
    pytest.importorskip("openvino")
    from rfiscan.runtimes.openvino_runtime import has_bfloat16

    if not has_bfloat16():
        pytest.skip("this processor has no bfloat16")
    tiles = draw_tiles(2)
    exact = load_model(small).runtime.run(*tiles)
    model = load_runnable(small, backend="openvino", precision="bf16")
    assert model.runtime.precision == "bf16"
    assert AGREEMENT < difference(model.runtime.run(*tiles), exact) < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cae", "mae"])
def test_float32_runtimes_agree_on_bundled_models(name, backend):
    tiles = draw_tiles(2, (340, 500))
    expected = load_model(name).runtime.run(*tiles)
    assert difference(load_runnable(name, backend="torch").runtime.run(*tiles), expected) <= AGREEMENT
    assert difference(load_runnable(name, backend=backend).runtime.run(*tiles), expected) <= AGREEMENT


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("name", ["cae", "mae"])
def test_runtimes_agree_on_real_scenes(name, backend, real_data, tmp_path, capsys):
    scene = real_data / "quicklook" / "rfi" / "sea_all_swaths.npy"
    import rasterio

    scores, masks = [], []
    for taken in ("torch", backend):
        detect(capsys, scene, name, tmp_path / taken, "--backend", taken)
        (score,), (mask,) = ((tmp_path / taken).glob(f"*_{what}.tif") for what in ("score", "mask"))
        scores.append(rasterio.open(score).read(1, masked=True).filled(0))
        masks.append(rasterio.open(mask).read(1))
    assert difference([scores[1]], [scores[0]]) <= AGREEMENT
    assert (masks[0] != masks[1]).mean() <= 1e-4  # a score at the threshold may fall on either side
    assert (masks[0] == 1).any()


def test_parameters_are_counted_as_the_networks_do(folder):
    model = load_model(folder)
    evidence = 0 if model.evidence is None else model.evidence.parameter_count
    assert model.parameter_count() == model.network.parameter_count + evidence


# which one is taken


def test_the_command_line_knows_every_backend_and_precision():
    assert get_args(BackendName) == ("auto", *backends.BACKENDS)
    assert get_args(PrecisionName) == backends.PRECISIONS
    assert set(backends.FASTEST_FIRST) == set(backends.BACKENDS) == set(backends.PACKAGES) == set(loading._RUNTIMES)


@pytest.mark.parametrize(
    ("installed", "taken"),
    [
        ({"torch"}, "torch"),
        ({"torch", "onnx"}, "onnx"),
        ({"torch", "openvino"}, "openvino"),
        ({"torch", "openvino", "onnx"}, "openvino"),
    ],
)
def test_auto_takes_the_fastest_that_is_installed(monkeypatch, installed, taken):
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    monkeypatch.setattr(backends, "is_installed", installed.__contains__)
    assert choose_backend("auto") == taken


def test_auto_takes_torch_where_there_is_a_gpu(monkeypatch):
    monkeypatch.setattr(backends, "has_gpu", lambda: True)
    assert choose_backend("auto") == "torch"
    monkeypatch.setattr(backends, "is_installed", lambda _: True)
    assert choose_backend("onnx") == "onnx"


def test_auto_leaves_out_what_has_not_the_precision(monkeypatch):
    monkeypatch.setattr(backends, "has_gpu", lambda: False)
    monkeypatch.setattr(backends, "_computes", lambda name, precision: name == "torch" or precision == "f32")
    assert choose_backend("auto", "bf16") == "torch"


@pytest.mark.parametrize("name", ["openvino", "onnx"])
def test_a_missing_extra_is_named(monkeypatch, name):
    monkeypatch.setattr(backends, "is_installed", lambda backend: backend == "torch")
    with pytest.raises(MissingExtraError) as caught:
        choose_backend(name)
    assert caught.value.exit_code == 3
    assert f"rfiscan[{name}]" in caught.value.hint


def test_onnx_runtime_refuses_bfloat16(monkeypatch):
    monkeypatch.setattr(backends, "is_installed", lambda _: True)
    with pytest.raises(UsageError, match="bf16"):
        choose_backend("onnx", "bf16")


@pytest.mark.parametrize(("text", "threads"), [("3", 3), ("5,2", 5), ("", None), ("0", None), ("many", None)])
def test_threads_are_those_of_the_environment_or_the_cores(monkeypatch, text, threads):
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert thread_count() == (threads or len(os.sched_getaffinity(0)))


# what is kept


def test_a_model_is_converted_once(small, own_cache, monkeypatch):
    pytest.importorskip("onnx")
    stored = loading.find_model(small)
    graph = model_graph(stored)
    monkeypatch.setattr("rfiscan.model_files.checkpoint.load_model", lambda *_: pytest.fail("was loaded"))
    assert model_graph(stored) == graph
    assert len(list(own_cache.rglob("*.graph"))) == 1


def test_a_damaged_model_is_found_out_though_another_was_converted(tmp_path, backend):
    folder = save_small_model(tmp_path / "model")
    load_runnable(folder, backend=backend)
    (folder / "model.safetensors").write_bytes(b"junk" * 100)
    with pytest.raises(ModelError):
        load_runnable(folder, backend=backend)


@pytest.mark.parametrize("damage", [b"", b"junk", b"x" * 500])
def test_a_damaged_graph_is_made_anew(own_cache, damage):
    assert cached_graph("a" * 64, lambda: b"graph") == b"graph"
    (path,) = own_cache.rglob("*.graph")
    path.write_bytes(damage)
    assert cached_graph("a" * 64, lambda: b"anew") == b"anew"
    assert cached_graph("a" * 64, lambda: pytest.fail("was made again")) == b"anew"


def test_graphs_of_other_code_are_replaced_and_of_other_models_kept(own_cache, monkeypatch):
    cached_graph("a" * 64, lambda: b"old")
    cached_graph("b" * 64, lambda: b"other")
    monkeypatch.setattr(graph_cache, "__version__", "next")
    assert cached_graph("a" * 64, lambda: b"new") == b"new"
    assert len(list(own_cache.rglob("*.graph"))) == 2


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RFISCAN_CACHE_DIR", str(tmp_path / "file"))
    assert cached_graph("a" * 64, lambda: b"graph") == b"graph"
    assert cached_graph("a" * 64, lambda: b"again") == b"again"


def test_the_cache_is_in_the_folder_of_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("RFISCAN_CACHE_DIR")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "rfiscan"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir() == tmp_path / ".cache" / "rfiscan"


# what commands make of it


@pytest.fixture
def scene(tmp_path):
    return write_scene(tmp_path / "sea.tif", sea_power((60, 80)))


def detect(capsys, scene, folder, out, *options):
    code = main(["detect", str(scene), "-m", str(folder), "-o", str(out), "--json", *options])
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return json.loads(printed.out), printed.err


def test_the_record_says_what_computed_and_results_agree(scene, small, backend, tmp_path, capsys):
    first, _ = detect(capsys, scene, small, tmp_path / "torch", "--backend", "torch")
    second, _ = detect(capsys, scene, small, tmp_path / "other", "--backend", backend)
    assert (first["backend"], first["precision"]) == ("torch", "f32")
    assert (second["backend"], second["precision"]) == (backend, "f32")
    import rasterio

    maps = [rasterio.open(tmp_path / name / "sea_score.tif").read(1) for name in ("torch", "other")]
    assert difference([maps[1]], [maps[0]]) <= AGREEMENT


def test_a_finished_scene_is_kept_for_another_backend_but_not_for_another_precision(scene, small, tmp_path, capsys):
    detect(capsys, scene, small, tmp_path / "out", "--backend", "torch")
    again = ("--skip-existing", "--backend", "torch", "--precision", "bf16")
    record, _ = detect(capsys, scene, small, tmp_path / "out", *again)
    assert record["precision"] == "bf16"
    _, told = detect(capsys, scene, small, tmp_path / "out", "--skip-existing", "--backend", "torch")
    assert "kept" not in told
    if backends.is_installed("onnx"):
        record, told = detect(capsys, scene, small, tmp_path / "out", "--skip-existing", "--backend", "onnx")
        assert "kept" in told
        assert record["backend"] == "torch"


def test_the_second_run_needs_no_torch(scene, small, backend, tmp_path):
    model_graph(loading.find_model(small))
    arguments = ["detect", str(scene), "-m", str(small), "-o", str(tmp_path / "out"), "--backend", backend]
    program = f"""
import sys
from rfiscan.__main__ import main
assert main({arguments!r}) == 0
assert "torch" not in sys.modules
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr


def test_a_missing_extra_ends_with_3(scene, small, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(backends, "is_installed", lambda name: name == "torch")
    assert main(["detect", str(scene), "-m", str(small), "-o", str(tmp_path / "out"), "--backend", "openvino"]) == 3
    assert "rfiscan[openvino]" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
