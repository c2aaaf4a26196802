"""Train a network: configuration -> data -> run folder -> finished model."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from rfiscan.acquisitions import find_scenes, read_backgrounds, split_by_acquisition
from rfiscan.backgrounds import Background
from rfiscan.checkpoint import load_state
from rfiscan.config.schema import TrainConfig
from rfiscan.config.text import dump_config
from rfiscan.errors import OutputError
from rfiscan.export.atomic import atomic_path
from rfiscan.manifests import read_listings
from rfiscan.workflows.building import build_from_config
from rfiscan.workflows.changes import changed_config, keep_changes
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.trainer import Trainer, TrainResult
from rfiscan.workflows.training_state import METRICS_NAME, forget_later_epochs, last_state, restore_state

CONFIG_NAME = "config.yaml"
STOP_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]  # Windows lacks one


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
        ResumableError: If the run was told to stop.
    """
    build_from_config(config)  # a setting that fits no network must not leave a folder behind
    scenes = _Scenes.of(config)
    prepare_run_dir(run_dir, config)
    trainer = _make_trainer(config, run_dir, scenes, reporter)
    with stop_on_signals(trainer):
        trainer.run(reporter)
    return trainer.finish(reporter)


def resume_training(run_dir: Path, reporter: Reporter = SILENT, *, changes: Sequence[str] = ()) -> TrainResult:
    """Go on with a run that was stopped, as if it had not been: same weights, losses and random numbers.

    Args:
        run_dir: Its folder, with its configuration and the last state.
        reporter: Is told how far the work is.
        changes: Settings that are to differ from now on, such as ``optimiser.steps=9000``; they are kept in the folder.

    Returns:
        Where the best model is, and how good.

    Raises:
        ConfigError: If the folder has no configuration, or it names no scene any more, or a change does not fit.
        ModelError: If there is no state to go on from, or it is damaged.
        SceneError: If a scene cannot be read.
        ResourceError: If the loss is no number any more, or memory is exhausted.
        ResumableError: If the run was told to stop.
    """
    config, changed = changed_config(run_dir / CONFIG_NAME, changes)
    tensors, values = load_state(last_state(run_dir))
    trainer = _make_trainer(config, run_dir, _Scenes.of(config), reporter)
    restore_state(trainer, tensors, values)
    keep_changes(run_dir, CONFIG_NAME, config, changed, trainer.step)
    forget_later_epochs(run_dir / METRICS_NAME, trainer.step)
    reporter.note(f"resumed after step {trainer.step} of {config.optimiser.steps}")
    with stop_on_signals(trainer):
        trainer.run(reporter)
    return trainer.finish(reporter)


@dataclass(frozen=True, slots=True)
class _Scenes:
    """Real scenes of a run, split by acquisition."""

    training: list[Path]
    validation: list[Path]
    backgrounds: tuple[tuple[Background, ...], tuple[Background, ...]]

    @classmethod
    def of(cls, config: TrainConfig) -> _Scenes:
        listing = read_listings(config.data.scenes)
        paths, share = find_scenes(listing.patterns), config.data.validation_share
        training, validation = split_by_acquisition(paths, share, config.seed, listing.claims)
        read = (read_backgrounds(training, config.spacing_m), read_backgrounds(validation, config.spacing_m))
        return cls(training, validation, read)


def _make_trainer(config: TrainConfig, run_dir: Path, scenes: _Scenes, reporter: Reporter) -> Trainer:
    names = {
        "training": [path.name for path in scenes.training],
        "validation": [path.name for path in scenes.validation],
    }
    if config.data.scenes:
        for what, listed in names.items():
            reporter.note(f"scenes for {what}: {', '.join(listed) or 'none'}")
    trainer = Trainer(config, run_dir, scenes.backgrounds, names)
    reporter.note(f"{config.network.preset}: {trainer.parameter_count:,} parameters, on {trainer.device}")
    return trainer


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end a run after the step at hand, with its state kept; batch systems send them.

    Outside the main thread, where Python delivers no signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        trainer.stop_requested = True

    earlier = {number: signal.signal(number, request_stop) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


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
    with atomic_path(run_dir / CONFIG_NAME) as part:
        part.write_text(dump_config(config), encoding="utf-8")
