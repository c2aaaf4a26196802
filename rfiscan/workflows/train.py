"""Train a network: configuration -> data -> run folder -> finished model."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rfiscan.atomic import atomic_path
from rfiscan.config.schema import TrainConfig
from rfiscan.config.sources import file_settings
from rfiscan.config.text import dump_config
from rfiscan.errors import OutputError
from rfiscan.model_files.checkpoint import Model, load_state
from rfiscan.training_data.acquisitions import find_scenes, read_backgrounds, split_by_acquisition
from rfiscan.training_data.backgrounds import Background
from rfiscan.training_data.manifests import read_listings
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.stop_signals import on_stop_signals
from rfiscan.workflows.training.building import build_from_config, pick_device
from rfiscan.workflows.training.changes import changed_config, keep_changes
from rfiscan.workflows.training.compiling import require_compiler
from rfiscan.workflows.training.epoch_log import forget_later_epochs
from rfiscan.workflows.training.pretrained import read_pretrained, seen_scenes, take_weights
from rfiscan.workflows.training.run_lock import locked_run
from rfiscan.workflows.training.stepping import require_tiles, require_whole_batches
from rfiscan.workflows.training.tracking.choosing import open_trackers
from rfiscan.workflows.training.tracking.following import following, reopen_trackers
from rfiscan.workflows.training.tracking.tracker import Tracker
from rfiscan.workflows.training.trainer import Trainer, TrainResult
from rfiscan.workflows.training.training_state import last_state, restore_state
from rfiscan.workflows.training.world import ALONE, World, joined_world

CONFIG_NAME = "config.yaml"


def train_network(
    config: TrainConfig, run_dir: Path, reporter: Reporter = SILENT, *, track: Sequence[str] = ()
) -> TrainResult:
    """Train a network as configured, together with the processes that torchrun started beside this one.

    Args:
        config: The whole run.
        run_dir: Its folder: made by this function, and new or empty.
        reporter: Is told how far the work is.
        track: Experiment trackers that are to follow the run: names of `TRACKERS`.

    Returns:
        Where the best model is, and how good.

    Raises:
        ConfigError: If a setting fits no network or names no scene.
        SceneError: If a scene cannot be read.
        MissingExtraError: If a tracker is not installed.
        OutputError: If the folder cannot be written, holds something, or another training is at work in it.
        ResourceError: If the loss is no number any more, memory is exhausted, or a tracker's server does not answer.
        ResumableError: If the run was told to stop.
    """
    with joined_world() as world:
        trackers = _opened(world, lambda: open_trackers(track))
        trainer = begin_run(config, run_dir, world.reporter(reporter), world)
        with locked_run(run_dir, world):
            return _finish_run(trainer, trackers, reporter)


def begin_run(config: TrainConfig, run_dir: Path, reporter: Reporter = SILENT, world: World = ALONE) -> Trainer:
    """Make the folder of a new run, and the trainer of its first step; see `train_network`."""
    _require_fit(config, world)  # settings that fit nothing must not leave a folder behind
    pretrained = read_pretrained(config)
    scenes = world.by_writer(lambda: _Scenes.of(config))
    world.by_writer(lambda: prepare_run_dir(run_dir, config))
    trainer = _make_trainer(config, run_dir, scenes, reporter, world)
    if pretrained is not None:
        trainer.pretrained = take_weights(pretrained, trainer.network, trainer.evidence)
        reporter.note(f"begins with the weights of {pretrained.path}")
        _warn_of_seen(pretrained, scenes.validation, reporter)
    return trainer


def resume_training(
    run_dir: Path, reporter: Reporter = SILENT, *, changes: Sequence[str] = (), track: Sequence[str] = ()
) -> TrainResult:
    """Go on with a run that was stopped, as if it had not been: same weights, losses and random numbers.

    Args:
        run_dir: Its folder, with its configuration and the last state.
        reporter: Is told how far the work is.
        changes: Settings that are to differ from now on, such as ``optimiser.steps=9000``; they are kept in the folder.
        track: Experiment trackers that are to follow the run, besides those that do.

    Returns:
        Where the best model is, and how good.

    Raises:
        ConfigError: If the folder has no configuration, or it names no scene any more, or a change does not fit.
        MissingExtraError: If a tracker is not installed.
        ModelError: If there is no state to go on from, or it is damaged.
        SceneError: If a scene cannot be read.
        OutputError: If another training is at work in the folder, or it cannot be written.
        ResourceError: If the loss is no number any more, or memory is exhausted.
        ResumableError: If the run was told to stop.
    """
    with joined_world() as world:
        trackers = _opened(world, lambda: {**open_trackers(track), **reopen_trackers(run_dir, track, reporter)})
        world.by_writer(lambda: file_settings(run_dir / CONFIG_NAME))  # no lock is left in what is no run
        with locked_run(run_dir, world):
            trainer = reopen_run(run_dir, world.reporter(reporter), changes=changes, world=world)
            return _finish_run(trainer, trackers, reporter)


def reopen_run(
    run_dir: Path, reporter: Reporter = SILENT, *, changes: Sequence[str] = (), world: World = ALONE
) -> Trainer:
    """The trainer of a run that was stopped, at its last state; see `resume_training`."""
    config, changed = world.by_writer(lambda: changed_config(run_dir / CONFIG_NAME, changes))
    _require_fit(config, world)
    tensors, values = world.by_writer(lambda: load_state(last_state(run_dir)))
    trainer = _make_trainer(config, run_dir, world.by_writer(lambda: _Scenes.of(config)), reporter, world)
    restore_state(trainer, tensors, values)
    world.by_writer(lambda: keep_changes(run_dir, CONFIG_NAME, config, changed, trainer.step))
    world.by_writer(lambda: forget_later_epochs(run_dir, trainer.step))
    reporter.note(f"resumed after step {trainer.step} of {config.optimiser.steps}")
    return trainer


def _warn_of_seen(model: Model, validation: Sequence[Path], reporter: Reporter) -> None:
    """Thresholds and figures come from scenes of validation: on what a model has learned they are too good."""
    leaked = sorted({path.name for path in validation} & set(seen_scenes(model)))
    if leaked:
        reporter.warn(
            f"{model.path} has learned from scenes that this run holds out: {', '.join(leaked)}; thresholds and "
            "figures of validation will be too good; the data.split_seed of the run that learned from them, or its "
            "seed if it had none, holds out what that run did"
        )


def _opened(world: World, make: Callable[[], Mapping[str, Tracker]]) -> dict[str, Tracker]:
    """The trackers of the process that writes; the others have none, and fail where it fails."""
    trackers: dict[str, Tracker] = {}
    world.by_writer(lambda: trackers.update(make()))
    return trackers


def _finish_run(trainer: Trainer, trackers: Mapping[str, Tracker], reporter: Reporter) -> TrainResult:
    """Train to the last step and set the thresholds, before the eyes of the trackers."""
    run_dir, reporter = trainer.run_dir, trainer.world.reporter(reporter)
    with following(trackers, run_dir, trainer.config, run_dir / CONFIG_NAME, reporter) as told:
        trainer.epoch_listeners.append(told.tell_epoch)
        try:
            with stop_on_signals(trainer):
                trainer.run(reporter)
        finally:
            trainer.stepper.end()
        result = trainer.finish(reporter)
        told.finish(result.model_dir)
    return result


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
        seed = config.seed if config.data.split_seed is None else config.data.split_seed
        training, validation = split_by_acquisition(paths, share, seed, listing.claims)
        read = (read_backgrounds(training, config.spacing_m), read_backgrounds(validation, config.spacing_m))
        return cls(training, validation, read)


def _require_fit(config: TrainConfig, world: World) -> None:
    """Refuse what fits no network, or does not run here."""
    build_from_config(config)
    require_tiles(config.optimiser.batch, config.optimiser.accumulate, world)
    require_whole_batches(config.data.trim_contaminated, config.optimiser.accumulate, world)
    if config.compile:
        require_compiler(pick_device(config.device))


def _make_trainer(
    config: TrainConfig, run_dir: Path, scenes: _Scenes, reporter: Reporter, world: World = ALONE
) -> Trainer:
    names = {
        "training": [path.name for path in scenes.training],
        "validation": [path.name for path in scenes.validation],
    }
    if config.data.scenes:
        for what, listed in names.items():
            reporter.note(f"scenes for {what}: {', '.join(listed) or 'none'}")
    elif config.data.trim_contaminated:
        reporter.warn("data.trim_contaminated leaves nothing out: no --scenes are named, and simulated tiles are clean")
    trainer = Trainer(config, run_dir, scenes.backgrounds, names, world)
    together = f", {world.size} processes" if world.size > 1 else ""
    reporter.note(f"{config.network.preset}: {trainer.parameter_count:,} parameters, on {trainer.device}{together}")
    return trainer


@contextmanager
def stop_on_signals(trainer: Trainer) -> Iterator[None]:
    """Let SIGTERM and SIGUSR1 end a run after the step at hand, with its state kept."""

    def request_stop(_: signal.Signals) -> None:
        trainer.stop_requested = True

    with on_stop_signals(request_stop):
        yield


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
