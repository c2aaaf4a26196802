"""Where settings come from: defaults, a YAML file, RFISCAN_* variables, --set, options; the later ones win.

A wrong setting is told with its key, the place that it comes from, and what is allowed there.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from rfiscan.config.schema import TrainConfig, leaves
from rfiscan.errors import ConfigError

ENVIRONMENT_PREFIX = "RFISCAN_"
SECTION_MARK = "__"
"""Stands for the point of a dotted key in the name of a variable: RFISCAN_OPTIMISER__STEPS is optimiser.steps."""
DEFAULT = "default"
OTHER_VARIABLES = {"RFISCAN_CACHE_DIR"}
"""Variables that are no settings of a training run."""


class Setting(NamedTuple):
    """One value that a user gave.

    Attributes:
        key: Dotted, such as ``optimiser.steps``.
        value: As it was given, unchecked.
        place: Where, such as ``run.yaml, line 3``.
    """

    key: str
    value: Any
    place: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A configuration, and where it comes from.

    Attributes:
        config: All of it.
        origins: Of each dotted key its place; `DEFAULT` where nobody gave it.
    """

    config: TrainConfig
    origins: Mapping[str, str] = field(repr=False)


def load_config(path: Path | None, overrides: Mapping[str, Any] | None = None) -> TrainConfig:
    """Read a training configuration from a file alone.

    Args:
        path: YAML file; None takes the defaults.
        overrides: Dotted keys and values that win over the file, such as ``{"optimiser.steps": 100}``.

    Raises:
        ConfigError: If the file cannot be read, or a key or value is wrong.
    """
    given = [Setting(key, value, "") for key, value in (overrides or {}).items()]
    return resolve([*file_settings(path), *given]).config


def gather(path: Path | None, assignments: Sequence[str], options: Mapping[str, tuple[str, Any]]) -> Resolved:
    """Put together what a user gives: options win over ``--set``, over the environment, over the file.

    Args:
        path: YAML file; None for none.
        assignments: Texts such as ``optimiser.steps=100``.
        options: Dotted key and value of options by their names; those of None are left out.

    Raises:
        ConfigError: If the file cannot be read, or a key or value is wrong, or a variable names no setting.
    """
    from_options = [Setting(key, value, name) for name, (key, value) in options.items() if value is not None]
    return resolve([*file_settings(path), *environment_settings(), *assigned_settings(assignments), *from_options])


def resolve(settings: Iterable[Setting]) -> Resolved:
    """Put settings together; of two for one key the later one wins.

    Raises:
        ConfigError: If a key or value is wrong; the message tells the first one, and how many more there are.
    """
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key, value, place in settings:
        _set(values, key, value, place)
        places.pop(key, None)  # the last one given is the last one listed
        places[key] = place
    try:
        config = TrainConfig.model_validate(values)
    except ValidationError as error:
        raise _explain(error, places) from error
    return Resolved(config, {key: _place_of(key, places) or DEFAULT for key, _ in leaves(config)})


def file_settings(path: Path | None) -> list[Setting]:
    """The settings of a YAML file; none without a file.

    Raises:
        ConfigError: If it cannot be read, or is no mapping.
    """
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
        values, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from error
    if values is None:
        return []
    if not isinstance(values, dict):
        raise ConfigError(f"{path} holds no keys", hint="A configuration is a mapping such as 'seed: 1'.")
    return [Setting(key, value, f"{path}, line {line}") for key, value, line in _flat(values, node, "", 1)]


def environment_settings(environment: Mapping[str, str] | None = None) -> list[Setting]:
    """The settings of RFISCAN_* variables.

    Args:
        environment: Variables; None takes those of the process.

    Raises:
        ConfigError: If one of them names no setting.
    """
    keys = {_variable(key): key for key, _ in leaves(TrainConfig())}
    settings = []
    for name, text in sorted((os.environ if environment is None else environment).items()):
        if name in keys:
            settings.append(Setting(keys[name], _parsed(text), name))
        elif name.startswith(ENVIRONMENT_PREFIX) and name not in OTHER_VARIABLES:
            nearest = difflib.get_close_matches(name, keys, n=1, cutoff=0.0)[0]
            raise ConfigError(
                f"the variable {name} names no setting", hint=f"Did you mean '{nearest}'? Otherwise unset it."
            )
    return settings


def assigned_settings(assignments: Sequence[str]) -> list[Setting]:
    """The settings of ``--set key=value``; values are YAML.

    Raises:
        ConfigError: If one is no assignment.
    """
    settings = []
    for text in assignments:
        key, equals, value = text.partition("=")
        if not (equals and key.strip()):
            raise ConfigError(f"--set {text}: is no assignment", hint="Write it as --set optimiser.steps=100.")
        settings.append(Setting(key.strip(), _parsed(value), f"--set {text}"))
    return settings


def _variable(key: str) -> str:
    return ENVIRONMENT_PREFIX + key.upper().replace(".", SECTION_MARK)


def _parsed(text: str) -> object:
    """A value written as YAML; what is no YAML, such as the glob ``*.png``, is text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text


def _flat(values: Mapping[Any, Any], node: yaml.Node | None, prefix: str, line: int) -> Iterator[tuple[str, Any, int]]:
    """Dotted keys, values and line numbers of nested mappings, in their order; an empty mapping is a value."""
    nodes = {key.value: (key, value) for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
    for key, value in values.items():
        key_node, value_node = nodes.get(str(key), (None, None))
        at = line if key_node is None else key_node.start_mark.line + 1
        if isinstance(value, dict) and value:
            yield from _flat(value, value_node, f"{prefix}{key}.", at)
        else:
            yield f"{prefix}{key}", value, at


def _set(values: dict[str, Any], dotted: str, value: object, place: str) -> None:
    *parents, last = dotted.split(".")
    for key in parents:
        section = values.get(key)
        if section is not None and not isinstance(section, dict):
            where = f" ({place})" if place else ""
            raise ConfigError(f"{key} is {section!r}, not a section with keys such as '{last}'{where}")
        values[key] = dict(section or {})  # a copy: the section may be the caller's
        values = values[key]
    values[last] = value


def _place_of(key: str, places: Mapping[str, str]) -> str:
    """Where a key, a part of it, or a section that holds it was given; the last of them, "" where nowhere."""
    related = [place for given, place in places.items() if given == key or _holds(given, key) or _holds(key, given)]
    return related[-1] if related else ""


def _holds(section: str, key: str) -> bool:
    return key.startswith(f"{section}.")


def _explain(error: ValidationError, places: Mapping[str, str]) -> ConfigError:
    """Turn pydantic's first complaint into one line for the user."""
    first, *others = error.errors()
    key = ".".join(str(part) for part in first["loc"])
    place = _place_of(key, places)
    where = f" in {place}" if place else ""
    more = f" (and {len(others)} more)" if others else ""
    if first["type"] != "extra_forbidden":
        return ConfigError(f"{key}{where}: {first['msg']}, got {first['input']!r}{more}")
    nearest = difflib.get_close_matches(key, known_keys(), n=1, cutoff=0.0)[0]
    return ConfigError(f"unknown key '{key}'{where}{more}", hint=f"Did you mean '{nearest}'?")


def known_keys() -> list[str]:
    """All dotted keys, sections included."""
    keys: dict[str, None] = {}
    for key, _ in leaves(TrainConfig()):
        parts = key.split(".")
        keys |= dict.fromkeys(".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return list(keys)
