"""Report on a run: how it went, what its codes tell apart, and what finds interference best in it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.errors import ModelError
from rfiscan.export.plots import Curve, Panel, write_plot
from rfiscan.export.records import to_plain, write_record
from rfiscan.export.scatter import write_scatter
from rfiscan.export.tables import write_table
from rfiscan.metrics.codes import Projection, auroc, novelty, project_codes
from rfiscan.model_files.card_file import CARD
from rfiscan.model_files.checkpoint import Model, load_model
from rfiscan.networks import BoundEvidence, Evidence
from rfiscan.networks.vae import VariationalAutoencoder
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.training.calibrate import score_scenes, validation_figures
from rfiscan.workflows.training.epoch_log import METRICS_NAME
from rfiscan.workflows.training.latent import CLASSES, CLEAN, Sample, draw_samples, latent_codes

RECORD_NAME = "report.json"
CODE_COLUMNS = ("class", "component_1", "component_2", "novelty")


def report_run(
    run_dir: Path, out_dir: Path, *, per_class: int, seed: int = 0, reporter: Reporter = SILENT
) -> dict[str, Any]:
    """Simulate tiles of each class, and write what the model of a run makes of them.

    Args:
        run_dir: Folder of a run, or of a model.
        out_dir: Folder of the files; must exist.
        per_class: Tiles of each class, >= 2.
        seed: Seed of the tiles.
        reporter: Is told how far the work is.

    Returns:
        The record, which is written last: `model`, `units` of a code, `explained` variance of both components,
        `novelty_auroc` of each kind against clean tiles, `scores` by what makes the anomaly map, `files`.

    Raises:
        ModelError: If there is no model, or a file of it is damaged.
        OutputError: If a file cannot be written.
    """
    model = load_model(find_run_model(run_dir))
    samples = draw_samples(model.card, per_class, seed, reporter)
    reporter.note("encoding")
    codes, kinds = latent_codes(model, samples), np.array([sample.kind for sample in samples])
    projection, distances = project_codes(codes), novelty(codes, kinds == CLEAN)
    files = [*_write_codes(model, out_dir, projection, kinds.tolist(), distances.tolist())]
    curves = run_dir / METRICS_NAME
    if curves.is_file():
        files.append(_write_curves(curves, out_dir / "training.png"))
    record = to_plain(
        {
            "model": model.name,
            "model_sha256": model.sha256,
            "version": __version__,
            "architecture": model.card.architecture,
            "units": codes.shape[1],
            "tiles_per_class": per_class,
            "seed": seed,
            "explained": projection.explained,
            "novelty_auroc": {
                kind: auroc(distances[chosen], (kinds == kind)[chosen])
                for kind in CLASSES
                if kind != CLEAN
                for chosen in [(kinds == kind) | (kinds == CLEAN)]
            },
            "scores": _compare_scores(model, samples, reporter),
            "files": [path.name for path in files],
        }
    )
    write_record(out_dir / RECORD_NAME, record)
    return {**record, "path": str(out_dir.absolute())}


def find_run_model(run_dir: Path) -> Path:
    """Folder of the model of a run, or of a model itself.

    Raises:
        ModelError: If there is none.
    """
    found = next((folder for folder in (run_dir / "model", run_dir) if (folder / CARD).is_file()), None)
    if found is None:
        raise ModelError(f"{run_dir}: holds no model", hint="Give the folder of a run of rfiscan train.")
    return found


def _write_codes(
    model: Model, out_dir: Path, projection: Projection, kinds: list[str], distances: list[float]
) -> list[Path]:
    table, picture = out_dir / "latent.csv", out_dir / "latent.png"
    values = ([kind, *(round(float(x), 5) for x in (*place, far))] for kind, place, far in
              zip(kinds, projection.places, distances, strict=True))  # fmt: skip
    write_table(table, [dict(zip(CODE_COLUMNS, row, strict=True)) for row in values], CODE_COLUMNS)
    shares = [
        f"principal component {i} ({share:.0%} of the variance)" for i, share in enumerate(projection.explained, 1)
    ]
    title = f"{model.name}: codes of simulated tiles"
    write_scatter(picture, projection.places, kinds, title=title, labels=(shares[0], shares[1]))
    return [table, picture]


def _write_curves(metrics: Path, path: Path) -> Path:
    """Plot loss and average precision over the steps of a run."""
    with metrics.open(newline="", encoding="utf-8") as lines:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(lines)]

    def curve(label: str, key: str) -> Curve:
        steps, values = [row["step"] for row in rows], [row[key] for row in rows]
        return Curve(label=label, x=steps, value=values, low=values, high=values)

    losses = [curve("training", "train_loss"), curve("validation", "loss")]
    figures = [curve("pixel average precision", "pixel_ap"), curve("SSIM of clean scenes", "ssim")]
    panels = [
        Panel(title="Loss", x_label="step", y_label="loss", curves=losses),
        Panel(title="Validation", x_label="step", y_label="figure", curves=figures),
    ]
    write_plot(path, panels)
    return path


def _compare_scores(model: Model, samples: list[Sample], reporter: Reporter) -> dict[str, dict[str, float]]:
    """Figures of the same tiles, by what makes the anomaly map: the model's evidence, its reconstruction, the bound."""
    judges: dict[str, Evidence | None] = {"reconstruction": None}
    if isinstance(model.network, VariationalAutoencoder):
        judges["bound"] = BoundEvidence(model.network, model.card.scoring.smooth_px).eval()
    if model.evidence is not None and not isinstance(model.evidence, BoundEvidence):
        judges["evidence"] = model.evidence
    scenes, card, figures = [sample.scene for sample in samples], model.card, {}
    for name, judge in judges.items():
        reporter.note(f"scoring by {name}")
        scored = score_scenes(
            model.network, scenes, card.standardisation, card.scoring, card.tile_shape, card.spacing_m, judge
        )
        figures[name] = validation_figures(scored)
    return figures
