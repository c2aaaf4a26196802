"""Converted graphs, kept between runs: who has the graph of a model need not load torch."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from rfiscan import __version__
from rfiscan.atomic import write_atomically
from rfiscan.errors import RfiscanError

CACHE_VARIABLE = "RFISCAN_CACHE_DIR"


def cache_dir() -> Path:
    """Folder of what can be computed again: RFISCAN_CACHE_DIR, or rfiscan's in the user's folder of caches."""
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "rfiscan" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rfiscan"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rfiscan"  # XDG base directories 0.8


def cached_graph(model_sha256: str, convert: Callable[[], bytes]) -> bytes:
    """Return the graph of a model: the kept one, or a new one, which is kept then.

    A graph is that of the model's files and of the code that converts them. Where the folder cannot be written to,
    nothing is kept.

    Args:
        model_sha256: Digest of the model.
        convert: Makes the graph.
    """
    path = _graph_path(model_sha256)
    try:
        kept = path.read_bytes()
    except OSError:
        kept = b""
    digest_size = hashlib.sha256().digest_size
    graph = kept[digest_size:]
    if graph and hashlib.sha256(graph).digest() == kept[:digest_size]:
        return graph
    graph = convert()
    with suppress(OSError, RfiscanError):
        write_atomically(path, hashlib.sha256(graph).digest() + graph)
        for other in path.parent.glob(f"{path.stem.split('-')[0]}-*{path.suffix}"):
            if other != path:  # of other code
                other.unlink()
    return graph


def _graph_path(model_sha256: str) -> Path:
    code = hashlib.sha256(__version__.encode())
    for source in sorted(files("rfiscan").joinpath("networks").iterdir(), key=lambda entry: entry.name):
        if source.name.endswith(".py"):
            code.update(source.read_bytes())
    return cache_dir() / "graphs" / f"{model_sha256[:24]}-{code.hexdigest()[:12]}.graph"
