"""JSON that every parser reads: the record of a scene, and values fit for it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import numpy as np

from rfiscan.atomic import write_atomically

if TYPE_CHECKING:
    from pathlib import Path


def to_plain(value: Any) -> Any:  # noqa: ANN401 - any value in, any JSON value out
    """Turn a value into what standard JSON can hold.

    Mappings and sequences are converted all the way down, numpy scalars and arrays become numbers and lists, NaN and
    infinity become None (JSON has neither), paths become text. Everything else is left to the JSON encoder, which
    refuses what it does not know.

    Args:
        value: Value, or container of values.

    Returns:
        Value of dicts, lists, text, numbers, booleans and None.
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    return value


def to_json(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - see to_plain
    """Write a value as one JSON text.

    Args:
        value: Value, or container of values; see `to_plain`.
        indent: Spaces per level; None for one line without spaces, as NDJSON needs it.

    Returns:
        JSON, keys in the order given, all characters as they are.

    Raises:
        TypeError: If a value has no form in JSON.
    """
    separators = (",", ":") if indent is None else None
    return json.dumps(to_plain(value), indent=indent, separators=separators, ensure_ascii=False, allow_nan=False)


def write_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write the record of a scene. Its presence says that the scene is done, so it is written last.

    Args:
        path: File to write, ``<id>.json``.
        record: The record; keys are written in the order given.

    Raises:
        OutputError: If the file cannot be written.
        ResourceError: If the disk is full.
    """
    write_atomically(path, (to_json(record, indent=2) + "\n").encode())
