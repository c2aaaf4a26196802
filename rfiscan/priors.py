"""Read what interferers are like from YAML: the bundled file, or one's own."""

from __future__ import annotations

import difflib
import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, fields
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from rfiscan.errors import ConfigError
from rfiscan.simulation.emitters import KINDS
from rfiscan.simulation.priors import InterferencePriors, WaveformPriors

BUNDLED = "interference_priors.yaml"
SHARES = {
    "timing": ["fixed", "staggered", "jittered"],
    "scan": ["rotating", "agile", "fixed"],
    "polarization": ["horizontal", "vertical", "slant"],
}
"""Keys that hold shares, and what they are shares of."""


@functools.cache
def bundled_priors() -> InterferencePriors:
    """The priors that come with the package."""
    return parse_priors(files("rfiscan").joinpath(BUNDLED).read_text(encoding="utf-8"), BUNDLED)


def load_priors(path: Path) -> InterferencePriors:
    """Read priors from a file; it holds all keys that the bundled one has.

    Raises:
        ConfigError: If it cannot be read, or a key or a value is wrong.
    """
    try:
        return parse_priors(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def parse_priors(text: str, label: str) -> InterferencePriors:
    """Parse priors.

    Args:
        text: YAML.
        label: How messages call it.

    Raises:
        ConfigError: If it is not YAML, or a key or a value is wrong.
    """
    try:
        values = yaml.safe_load(text)
        _require_known(values, label)
        priors = TypeAdapter(InterferencePriors).validate_python(values)
    except yaml.YAMLError as error:
        raise ConfigError(f"{label}: is not YAML: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{label}: {where}: {first['msg']}") from error
    for where, value in _numbers(asdict(priors)):
        complaint = _complaint(where, value)
        if complaint:
            raise ConfigError(f"{label}: {where}: {complaint}")
    return priors


def _require_known(values: Any, label: str) -> None:  # noqa: ANN401 - whatever YAML held
    if not isinstance(values, Mapping):
        raise ConfigError(f"{label}: holds no keys")
    for where, key, known in _keys(values):
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            raise ConfigError(f"{label}: {where}{key} is not known", hint=f"Did you mean {close[0]}?" if close else "")


def _keys(values: Mapping[str, Any]) -> Iterator[tuple[str, str, list[str]]]:
    """Every key, with where it stands and what may stand there."""
    yield from (("", key, [f.name for f in fields(InterferencePriors)]) for key in values)
    for name, known in SHARES.items():
        if isinstance(values.get(name), Mapping):
            yield from ((f"{name}.", key, known) for key in values[name])
    kinds = values.get("kinds")
    if isinstance(kinds, Mapping):
        yield from (("kinds.", kind, list(KINDS)) for kind in kinds)
        for kind, waveform in kinds.items():
            if isinstance(waveform, Mapping):
                yield from ((f"kinds.{kind}.", key, [f.name for f in fields(WaveformPriors)]) for key in waveform)


def _numbers(values: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, float | tuple[float, float]]]:
    """Every number and every span, with where it stands."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value


def _complaint(where: str, value: float | tuple[float, float]) -> str:
    """What is wrong with a number or a span; empty if nothing is."""
    low, high = value if isinstance(value, tuple) else (value, value)
    if not (math.isfinite(low) and math.isfinite(high)):
        return "is not finite"
    if low > high:
        return f"[{low:g}, {high:g}] does not go from low to high"
    if where == "mean_emitters" and low < 1.0:
        return "is less than 1"
    if isinstance(value, tuple):
        signed = where.endswith(("_db", "offset_mhz"))
        return "" if signed or low > 0.0 or high == 0.0 else f"{low:g} is not above 0"
    return "" if low >= 0.0 else "is negative"
