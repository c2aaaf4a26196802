"""A runtime that is loaded while something else goes on, such as the reading of the first scene."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from rfiscan.reconstruction import TileRuntime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class LoadingRuntime:
    """A `rfiscan.reconstruction.TileRuntime` whose loading has begun; the first tiles wait for its end.

    Args:
        load: Loads the runtime; an error of it is raised by `run`.
        backend: Of that runtime.
        precision: Of that runtime.
        weighs: Whether the model has an evidence network.
    """

    def __init__(self, load: Callable[[], TileRuntime], *, backend: str, precision: str, weighs: bool) -> None:
        self.backend, self.precision, self.weighs = backend, precision, weighs
        pool = ThreadPoolExecutor(1, thread_name_prefix="runtime")  # joined at the end of the process, not cut off
        self._loaded = pool.submit(load)
        pool.shutdown(wait=False)

    def run(self, tiles: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
        """Reconstruct tiles, and weigh what is left of them; see `rfiscan.reconstruction.TileRuntime`."""
        return self._loaded.result().run(tiles, valid)
