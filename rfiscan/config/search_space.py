"""A search space for `tune`: settings of a training run, each with a range or choices, checked before anything runs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from rfiscan.config.schema import TrainConfig, leaves
from rfiscan.config.sources import Setting, file_settings, resolve
from rfiscan.errors import ConfigError

PARTS = ("low", "high", "step", "log", "choices")
_OTHERWISE_MEASURED = "it decides what a trial is measured by, so that trials could not be compared"
_CHANGES_NOTHING = "it does not change what a network learns"
UNTUNABLE = {
    "seed": _OTHERWISE_MEASURED,
    "spacing_m": _OTHERWISE_MEASURED,
    "tile_shape": _OTHERWISE_MEASURED,
    "data.scenes": _OTHERWISE_MEASURED,
    "data.validation_share": _OTHERWISE_MEASURED,
    "data.split_seed": _OTHERWISE_MEASURED,
    "data.validation_tiles": _OTHERWISE_MEASURED,
    "name": _CHANGES_NOTHING,
    "validate_every": _CHANGES_NOTHING,
    "picture_every": _CHANGES_NOTHING,
    "threads": _CHANGES_NOTHING,
    "device": _CHANGES_NOTHING,
    "data.calibration_tiles": _CHANGES_NOTHING,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One setting that is searched: a range of numbers, or choices.

    Attributes:
        key: Dotted key of the setting.
        place: Where the user gave it.
        low: Least value; an int where the setting takes whole numbers.
        high: Greatest value, included.
        step: Distance of the values that are tried; None for all.
        log: True to search the logarithm.
        choices: Values to choose from; empty where there is a range.
    """

    key: str
    place: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values that prove the dimension valid: all choices, or both ends of the range."""
        return self.choices or (self.low, self.high)


def read_space(path: Path, base: TrainConfig) -> tuple[Dimension, ...]:
    """Read a search space, and prove that the settings take what it holds.

    Args:
        path: YAML file: dotted keys, each with ``{low, high}`` and perhaps ``step`` or ``log``, or with ``{choices}``.
        base: The settings that are not searched.

    Raises:
        ConfigError: If it cannot be read, a key is none or cannot be tuned, or a range is none or not allowed.
    """
    given: dict[str, list[Setting]] = {}
    for setting in file_settings(path):
        given.setdefault(_searched(setting), []).append(setting)
    if not given:
        raise ConfigError(f"{path} holds no search space", hint=_example("optimiser.learning_rate"))
    values = dict(leaves(base))
    space = tuple(_dimension(key, parts, values.get(key)) for key, parts in given.items())
    for dimension in space:
        for value in dimension.ends:
            with_values(base, {dimension.key: value}, place=dimension.place)
    return space


def with_values(base: TrainConfig, values: Mapping[str, Any], *, place: str = "") -> TrainConfig:
    """A configuration with some settings replaced.

    Args:
        base: The configuration.
        values: Dotted keys and values.
        place: Where they come from, for messages.

    Raises:
        ConfigError: If a key is none, or a value is not allowed.
    """
    own = [Setting(key, value, "") for key, value in leaves(base)]
    return resolve([*own, *(Setting(key, value, place) for key, value in values.items())]).config


def _searched(setting: Setting) -> str:
    """The key that a line of the file is about.

    Raises:
        ConfigError: If the line says nothing of a range, or the key cannot be tuned.
    """
    key, _, part = setting.key.rpartition(".")
    if part not in PARTS or not key:
        near = difflib.get_close_matches(part, PARTS, n=1, cutoff=0.6)
        hint = f"Did you mean '{near[0]}'?" if near and key else _example(setting.key)
        raise ConfigError(f"{setting.key} in {setting.place} is neither a range nor choices", hint=hint)
    if key in UNTUNABLE:
        raise ConfigError(f"{key} in {setting.place} cannot be tuned: {UNTUNABLE[key]}")
    return key


def _dimension(key: str, given: Sequence[Setting], value: object) -> Dimension:
    """Put the parts of one key together.

    Raises:
        ConfigError: If they make no range.
    """
    parts, place = {setting.key.rpartition(".")[2]: setting.value for setting in given}, given[0].place
    if "choices" in parts:
        choices = parts["choices"]
        if len(parts) > 1 or not isinstance(choices, list) or not choices:
            raise ConfigError(f"{key} in {place}: choices are a list of their own", hint=_example(key))
        return Dimension(
            key=key, place=place, choices=tuple(_number(c) if type(value) is float else c for c in choices)
        )
    low, high, step = (_number(parts.get(name)) for name in ("low", "high", "step"))
    log = parts.get("log", False)
    complaint = _complaint(low, high, step, log)
    if complaint:
        raise ConfigError(f"{key} in {place}: {complaint}", hint=_example(key))
    whole = not isinstance(value, float) and all(isinstance(n, int) for n in (low, high, step) if n is not None)
    kind = int if whole else float
    return Dimension(
        key=key, place=place, low=kind(low), high=kind(high), step=None if step is None else kind(step), log=log
    )


def _complaint(low: object, high: object, step: object, log: object) -> str:
    """What is wrong with a range; empty if nothing."""
    if not (_is_finite(low) and _is_finite(high)):
        return "low and high are numbers"
    if not low < high:
        return "low is below high"
    if not isinstance(log, bool):
        return "log is true or false"
    if log and (low <= 0 or step is not None):
        return "a logarithmic range begins above 0 and has no step"
    if step is not None and not (_is_finite(step) and 0 < step <= high - low):
        return "step is a number above 0 that fits between low and high"
    return ""


def _is_finite(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> Any:  # noqa: ANN401 - what YAML holds
    """A number that YAML takes for text, such as 1e-4, which has no point; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return float(value)
    except ValueError:
        return value


def _example(key: str) -> str:
    return (
        f"Write it as '{key}: {{low: 1, high: 8}}', with 'log: true' or 'step: 1' if wanted, or '{{choices: [1, 8]}}'."
    )
