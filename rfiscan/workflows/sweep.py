"""Train the same network with bottlenecks of several sizes, and lay the figures side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rfiscan import __version__
from rfiscan.config.schema import TrainConfig
from rfiscan.config.sources import file_settings, resolve
from rfiscan.errors import ConfigError, OutputError
from rfiscan.export.plots import Curve, Panel, write_plot
from rfiscan.export.records import to_plain, write_record
from rfiscan.export.tables import write_table
from rfiscan.model_files.checkpoint import load_model
from rfiscan.networks import PRESETS
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.train import CONFIG_NAME, resume_training, train_network
from rfiscan.workflows.training.building import build_from_config
from rfiscan.workflows.training.training_state import last_state

SIZE_KEYS = {"cae": "code", "dae": "code", "cae-dense": "latent", "vae": "latent"}
"""Setting of the size of the bottleneck of architectures that have one: channels of a map, or units of a vector."""
DEFAULT_SIZES = {"code": (2, 4, 8, 16, 32), "latent": (25, 75, 125, 250, 350, 500)}
"""The sizes of vectors are those that the original work tried."""
COLUMNS = ("size", "parameters", "ssim", "ssim_co", "ssim_cross", "pixel_ap", "pd_at_far_1e-3")
RECORD_NAME = "sweep.json"


def sweep_bottleneck(
    config: TrainConfig, sizes: Sequence[int], out_dir: Path, reporter: Reporter = SILENT
) -> dict[str, Any]:
    """Train a network once with each size of its bottleneck, one after the other.

    A size whose run is finished is not trained again, and one that was stopped goes on: the same command continues a
    sweep.

    Args:
        config: Of all runs, but for the size.
        sizes: Sizes, each >= 1; empty for `DEFAULT_SIZES`.
        out_dir: Folder of the runs and the files; must exist.
        reporter: Is told how far the work is.

    Returns:
        The record, which is written last: `key`, `rows` (one a size, by `COLUMNS`), `files`.

    Raises:
        ConfigError: If the network has no such bottleneck, or a size fits none.
        OutputError: If a folder holds a run of other settings, or a file cannot be written.
        ResumableError: If a run was told to stop.
    """
    key = size_key(config)
    chosen = sorted(set(sizes or DEFAULT_SIZES[key]))
    runs = {size: _with_size(config, key, size) for size in chosen}
    for run in runs.values():
        build_from_config(run)  # a size that fits no network is told before the first run
    rows = []
    for number, (size, run) in enumerate(runs.items(), 1):
        reporter.note(f"{key} {size}: run {number} of {len(runs)}")
        rows.append(_row(size, _finish(run, out_dir / f"{key}-{size}", reporter)))
    files = [out_dir / "sweep.csv", out_dir / "sweep.png"]
    write_table(files[0], rows, COLUMNS)
    write_plot(files[1], _panels(rows, key))
    record = to_plain(
        {
            "preset": config.network.preset,
            "key": f"network.settings.{key}",
            "steps": config.optimiser.steps,
            "seed": config.seed,
            "version": __version__,
            "rows": rows,
            "files": [path.name for path in files],
        }
    )
    write_record(out_dir / RECORD_NAME, record)
    return {**record, "path": str(out_dir.absolute())}


def size_key(config: TrainConfig) -> str:
    """Name of the setting of the network that is the size of its bottleneck.

    Raises:
        ConfigError: If the preset is unknown, or its network has no bottleneck.
    """
    preset = PRESETS.get(config.network.preset)
    if preset is None or preset.architecture not in SIZE_KEYS:
        known = ", ".join(name for name, one in PRESETS.items() if one.architecture in SIZE_KEYS)
        raise ConfigError(f"preset {config.network.preset!r} has no bottleneck to vary", hint=f"Use {known}.")
    return SIZE_KEYS[preset.architecture]


def _with_size(config: TrainConfig, key: str, size: int) -> TrainConfig:
    network = config.network.model_copy(update={"settings": {**config.network.settings, key: size}})
    return config.model_copy(update={"name": f"{config.name}-{key}{size}", "network": network})


def _finish(config: TrainConfig, run_dir: Path, reporter: Reporter) -> Path:
    """Begin, continue or find a run; returns the folder of its model."""
    model_dir = run_dir / "model"
    if not (run_dir / CONFIG_NAME).is_file():
        return train_network(config, run_dir, reporter).model_dir
    if resolve(file_settings(run_dir / CONFIG_NAME)).config != config:
        raise OutputError(f"{run_dir} holds a run of other settings", hint="Name a new folder with --out.")
    if (model_dir / "model.yaml").is_file() and load_model(model_dir).card.thresholds:
        reporter.note(f"{run_dir} is finished")
        return model_dir
    if not last_state(run_dir).exists():
        raise OutputError(f"{run_dir} was stopped before its first state", hint="Remove that folder and begin again.")
    return resume_training(run_dir, reporter).model_dir


def _row(size: int, model_dir: Path) -> dict[str, float]:
    source = load_model(model_dir).card.provenance
    return {"size": size, "parameters": source["parameters"], **{key: source["validation"][key] for key in COLUMNS[2:]}}


def _panels(rows: Sequence[dict[str, float]], key: str) -> list[Panel]:
    def curve(label: str, column: str) -> Curve:
        values = [row[column] for row in rows]
        return Curve(label=label, x=[row["size"] for row in rows], value=values, low=values, high=values)

    what = "units of the bottleneck" if key == "latent" else "channels of the bottleneck"
    similarity = [curve("co-pol", "ssim_co"), curve("cross-pol", "ssim_cross")]
    detection = [
        curve("pixel average precision", "pixel_ap"),
        curve("Pd at a false-alarm rate of 1e-3", "pd_at_far_1e-3"),
    ]
    return [
        Panel(title="Similarity (SSIM) of clean scenes", x_label=what, y_label="SSIM", curves=similarity, markers=True),
        Panel(title="Detection", x_label=what, y_label="figure", curves=detection, markers=True),
    ]
