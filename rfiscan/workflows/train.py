"""Train a network: configuration -> data -> run folder -> finished model."""

from __future__ import annotations

from pathlib import Path

from rfiscan.acquisitions import find_scenes, read_backgrounds, split_by_acquisition
from rfiscan.config import TrainConfig, dump_config
from rfiscan.errors import OutputError
from rfiscan.export.atomic import atomic_path
from rfiscan.workflows.building import build_from_config
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.trainer import Trainer, TrainResult


def train_network(config: TrainConfig, run_dir: Path, reporter: Reporter = SILENT) -> TrainResult:
    """Train a network as configured.

    Args:
        config: The whole run.
        run_dir: Its folder: made by this function, and new or empty.
        reporter: Is told how far the work is.

    Returns:
        Where the best model is, and how good.

    Raises:
        ConfigError: If a setting fits no network or names no scene.
        SceneError: If a scene cannot be read.
        OutputError: If the folder cannot be written, or holds something.
        ResourceError: If the loss is no number any more, or memory is exhausted.
    """
    training, validation = split_by_acquisition(
        find_scenes(config.data.scenes), config.data.validation_share, config.seed
    )
    build_from_config(config)  # a setting that fits no network must not leave a folder behind
    real = (read_backgrounds(training, config.spacing_m), read_backgrounds(validation, config.spacing_m))
    prepare_run_dir(run_dir, config)
    for what, paths in (("training", training), ("validation", validation)):
        if config.data.scenes:
            reporter.note(f"scenes for {what}: {', '.join(path.name for path in paths) or 'none'}")
    trainer = Trainer(
        config,
        run_dir,
        real,
        {"training": [path.name for path in training], "validation": [path.name for path in validation]},
    )
    count = trainer.network.parameter_count + trainer.evidence.parameter_count
    reporter.note(f"{config.network.preset}: {count:,} parameters, on {trainer.device}")
    return trainer.run(reporter)


def prepare_run_dir(run_dir: Path, config: TrainConfig) -> None:
    """Make a run's folder and write its configuration.

    Raises:
        OutputError: If it cannot be written, or holds something.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        if any(run_dir.iterdir()):
            raise OutputError(f"{run_dir} is not empty", hint="Name a new folder with --out.")
    except OSError as error:
        raise OutputError(f"cannot make the folder {run_dir}: {error.strerror}") from error
    with atomic_path(run_dir / "config.yaml") as part:
        part.write_text(dump_config(config), encoding="utf-8")
