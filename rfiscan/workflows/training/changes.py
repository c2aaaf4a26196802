"""Settings that are changed while a run is resumed: which may be, and the note that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rfiscan.atomic import write_atomically
from rfiscan.config.schema import TrainConfig, leaves
from rfiscan.config.sources import Setting, assigned_settings, file_settings, resolve
from rfiscan.config.text import dump_config
from rfiscan.errors import ConfigError, OutputError
from rfiscan.export.records import to_json

CHANGEABLE = (
    "validate_every",
    "picture_every",
    "threads",
    "device",
    "compile",
    "ssim_weight",
    "data.calibration_tiles",
    "optimiser.accumulate",
    "optimiser.steps",
    "optimiser.evidence_share",
    "optimiser.learning_rate",
    "optimiser.warmup_share",
    "optimiser.gradient_clip",
    "optimiser.precision",
)
"""The state of a run fits with any value of these; all others shape weights, tiles, or the order of random numbers."""
CHANGES_NAME = "changes.ndjson"


def changed_config(path: Path, assignments: Sequence[str]) -> tuple[TrainConfig, list[Setting]]:
    """The configuration of a run with the changes that the user names.

    Args:
        path: The run's own configuration.
        assignments: Texts such as ``optimiser.steps=9000``.

    Returns:
        The new configuration, and the settings that differ from the run's own, with their new values.

    Raises:
        ConfigError: If a key or value is wrong, or a setting cannot be changed in a run that has begun.
    """
    own, given = file_settings(path), assigned_settings(assignments)
    before, after = dict(leaves(resolve(own).config)), resolve([*own, *given])
    changes = [Setting(k, v, after.origins[k]) for k, v in leaves(after.config) if v != before[k]]
    fixed = [change.key for change in changes if change.key not in CHANGEABLE]
    if fixed:
        raise ConfigError(
            f"{', '.join(fixed)} cannot be changed in a run that has begun",
            hint=f"Begin a new run, or change only {', '.join(CHANGEABLE)}.",
        )
    return after.config, changes


def keep_changes(run_dir: Path, config_name: str, config: TrainConfig, changes: Sequence[Setting], step: int) -> None:
    """Write the new configuration, and add to the run's folder what was changed at which step.

    Args:
        run_dir: Folder of the run.
        config_name: Name of its configuration.
        config: The new one.
        changes: What differs from the old one.
        step: Steps that were done before.

    Raises:
        ConfigError: If the run is to have fewer steps than it has done.
        OutputError: If a file cannot be written.
    """
    if not changes:
        return
    if config.optimiser.steps < step:
        raise ConfigError(f"optimiser.steps is {config.optimiser.steps}, and the run has done {step} already")
    path = run_dir / CHANGES_NAME
    try:
        earlier = path.read_text(encoding="utf-8") if path.exists() else ""
    except OSError as error:
        raise OutputError(f"cannot read {path}: {error.strerror}") from error
    lines = [to_json({"step": step, "key": change.key, "value": change.value}) for change in changes]
    write_atomically(path, (earlier + "".join(f"{line}\n" for line in lines)).encode())
    write_atomically(run_dir / config_name, dump_config(config).encode())
