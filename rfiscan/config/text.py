"""Configurations as text: YAML that reproduces a run, a template that explains itself, and where settings come from."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from rfiscan.config.schema import TrainConfig

_WIDTH = 110
_LIMITS = {"minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}"}


def dump_config(config: TrainConfig) -> str:
    """The configuration as YAML that reproduces the run."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def template(config: TrainConfig) -> str:
    """The configuration as YAML in which every key is preceded by what it means and what is allowed."""
    schema = TrainConfig.model_json_schema()

    def explained(key: str, line: str) -> str:
        words = _meaning(schema, key)
        return textwrap.indent("\n".join(textwrap.wrap(words, _WIDTH)), _margin(line) + "# ") + f"\n{line}"

    return _lines(config, explained)


def with_origins(config: TrainConfig, origins: Mapping[str, str]) -> str:
    """The configuration as YAML in which every key is followed by where it comes from.

    Args:
        config: The configuration.
        origins: Place of each dotted key.
    """

    def traced(key: str, line: str) -> str:
        return f"{line}  # {origins[key]}" if key in origins else line

    return _lines(config, traced)


def _lines(section: BaseModel, wrap: Callable[[str, str], str], prefix: str = "", depth: int = 0) -> str:
    """YAML, a key a line, each line made by `wrap` of its dotted key and its text."""
    margin, text = "  " * depth, ""
    for name in type(section).model_fields:
        value, key = getattr(section, name), prefix + name
        if isinstance(value, BaseModel):
            text += wrap(key, f"{margin}{name}:") + "\n" + _lines(value, wrap, f"{key}.", depth + 1)
        else:
            plain = section.model_dump(mode="json", include={name})
            flow = yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True)
            text += wrap(key, f"{margin}{flow.strip()[1:-1]}") + "\n"
    return text


def _meaning(schema: Mapping[str, Any], key: str) -> str:
    """What a key means and what is allowed."""
    found: Mapping[str, Any] = schema
    for name in key.split("."):
        found = _section(schema, found)["properties"][name]
    description = found.get("description") or _section(schema, found).get("description", "")
    allowed = _allowed(found)
    return f"{description.rstrip('.')} ({allowed})" if allowed else description


def _section(schema: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """The section that a property refers to, or the property itself."""
    section: Mapping[str, Any] = schema["$defs"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
    return section


def _allowed(found: Mapping[str, Any]) -> str:
    if "enum" in found:
        return " or ".join(map(str, found["enum"]))
    return ", ".join(words.format(f"{found[name]:g}") for name, words in _LIMITS.items() if name in found)


def _margin(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]
