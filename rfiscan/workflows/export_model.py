"""Export a model as a graph that scores tiles by itself, and prove that it does."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rfiscan import __version__
from rfiscan.errors import OutputError
from rfiscan.export.records import to_plain, write_record
from rfiscan.model_files.checkpoint import Model
from rfiscan.networks.frozen import FrozenModel
from rfiscan.networks.scoring_graph import ScoringModel, scoring_graph
from rfiscan.priors import bundled_priors
from rfiscan.runtimes.exported import require_format, run_graph, write_graph
from rfiscan.scoring import null_scale, score_scene
from rfiscan.training_data.dataset import validation_scenes

PARITY = 1e-5
"""Largest difference that counts as rounding, as a share of the largest magnitude of the output."""
PARITY_TILES = 4
PARITY_SEED = 20_261_123

INPUTS = {
    "tiles_db": "float32 (N, 2, h, w): power in dB, co-pol first; anything where invalid",
    "valid": "bool (N, 2, h, w): true = valid",
    "centre_db": "float32 (N, 2): median of the whole scene over its valid pixels, dB, of each polarization",
    "null_scale": "float32 (N, 2): mean of -(tile - reconstruction) / spread over the scene's pixels where that is "
    "positive, at least 1; 1 if not known",
}
OUTPUTS = {
    "anomaly_map": "float32 (N, h, w): higher means more anomalous; above a threshold is interference; NaN = invalid",
    "evidence": "float32 (N, 2, h, w): the same of each polarization",
    "reconstruction_db": "float32 (N, 2, h, w): what the model expects, dB",
    "spread_db": "float32 (N, 2, h, w): expected absolute deviation from it, dB",
}


def export_model(model: Model, name: str, out_dir: Path) -> dict[str, Any]:
    """Write a model as a graph with its card beside it, after its results were compared with the model's.

    Args:
        model: The model.
        name: Format, one of `rfiscan.runtimes.exported.FORMATS`.
        out_dir: Folder of the files; must exist.

    Returns:
        The record, which is written as ``<model>.json``, last of all files: model, card, `inputs`, `outputs`,
        `thresholds`, `parity` (output -> largest difference, absolute and as a share of the largest magnitude).

    Raises:
        MissingExtraError: If the package of the format is not installed.
        OutputError: If a file cannot be written, or the graph does not compute what the model does.
    """
    require_format(name)
    card = model.card
    module = ScoringModel(FrozenModel(model.network, model.evidence), card.standardisation, card.scoring)
    graph = scoring_graph(module, card.tile_shape)
    parity = _measure_parity(model, name, graph)
    worst = max(figures["relative"] for figures in parity.values())
    if not worst <= PARITY:
        raise OutputError(f"the exported graph differs from {model.name} by {worst:.2g}, more than {PARITY:g}")
    paths = write_graph(out_dir, model.name, name, graph)
    record_path = out_dir / f"{model.name}.json"
    record = to_plain(
        {
            "model": model.name,
            "model_sha256": model.sha256,
            "version": __version__,
            "format": name,
            "tile_shape": card.tile_shape,
            "spacing_m": card.spacing_m,
            "inputs": {key: INPUTS[key] for key in _graph_inputs(model)},
            "outputs": OUTPUTS,
            "thresholds": card.thresholds,
            "parity": parity,
            "parity_tiles": PARITY_TILES,
            "card": asdict(card),
            "files": [path.name for path in paths],
        }
    )
    write_record(record_path, record)
    return {**record, "path": str(paths[0].absolute()), "record": str(record_path.absolute())}


def _graph_inputs(model: Model) -> list[str]:
    return [key for key in INPUTS if key != "null_scale" or model.evidence is None]


def _measure_parity(model: Model, name: str, graph: bytes) -> dict[str, dict[str, float]]:
    """Largest differences between what a graph and the model itself make of simulated scenes."""
    inputs, expected = parity_case(model)
    with tempfile.TemporaryDirectory() as scratch:
        (path, *_) = write_graph(Path(scratch), "graph", name, graph)
        found = run_graph(path, name, inputs)
    return {output: _difference(found[output], expected[output]) for output in OUTPUTS}


def parity_case(model: Model) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.float32]]]:
    """Tiles as input for a graph, and what the model makes of them by the way of `detect`.

    Each tile is a simulated scene of its own, half of them with interference; borders are invalid.
    """
    card = model.card
    scenes = validation_scenes(PARITY_SEED, PARITY_TILES, (), card.tile_shape, card.spacing_m, priors=bundled_priors())
    inputs: dict[str, list[NDArray[Any]]] = {key: [] for key in _graph_inputs(model)}
    outputs: dict[str, list[NDArray[np.float32]]] = {key: [] for key in OUTPUTS}
    scale_db = np.float32(card.standardisation.scale_db)
    for scene in scenes:
        tile, centre_db = card.standardisation.apply(scene.power, scene.valid_mask)
        centre = centre_db.astype(np.float32)
        mean, spread, *weighed = (made[0] for made in model.runtime.run(tile[None], scene.valid_mask[None]))
        log_odds = weighed[0] if weighed else None
        score = score_scene(tile, mean, spread, scene.valid_mask, card.scoring, log_odds)
        given = {
            "tiles_db": 10.0 * np.log10(np.maximum(scene.power, np.float32(1e-30))),
            "valid": scene.valid_mask,
            "centre_db": centre,
            "null_scale": null_scale((tile - mean) / spread, scene.valid_mask),
        }
        made = (score.anomaly_map, score.evidence, mean * scale_db + centre[:, None, None], spread * scale_db)
        for key, values in inputs.items():
            values.append(given[key])
        for values, array in zip(outputs.values(), made, strict=True):
            values.append(array)
    return (
        {key: np.stack(values) for key, values in inputs.items()},
        {key: np.stack(values) for key, values in outputs.items()},
    )


def _difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> dict[str, float]:
    """Largest difference, absolute and as a share of the largest magnitude; infinite where NaN meets a number."""
    if not np.array_equal(np.isnan(found), np.isnan(expected)):
        return {"absolute": float("inf"), "relative": float("inf")}
    largest = float(np.nanmax(np.abs(found.astype(np.float64) - expected)))
    return {"absolute": largest, "relative": largest / float(np.nanmax(np.abs(expected)))}
