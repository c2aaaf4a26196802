"""Run by torchrun in tests, as one of several processes: steps of training in double precision, and what came of them.

In single precision rounding decides on which side of a kink of a network a pixel lies, so that differences of 1e-7 may
become some of 1e-2 in gradients. In double precision they do not; only predictions are rounded to single precision.

Arguments: the file to write, then, for each run, a YAML file of its configuration.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from rfiscan.config.sources import load_config
from rfiscan.training_data.dataset import TileStream
from rfiscan.workflows.training.trainer import Trainer
from rfiscan.workflows.training.world import ALONE, World, joined_world


def take_steps(config_path: Path, world: World = ALONE, steps: int = 5) -> dict[str, torch.Tensor]:
    """Losses of some steps and of a validation, weights and statistics after them, and the random numbers to come."""
    trainer = Trainer(load_config(config_path), config_path.parent, world=world)
    for network in (trainer.network, trainer.evidence):
        network.double()
    with _double_tiles():
        losses = [trainer.train_step() for _ in range(steps)]
    for network in (trainer.network, trainer.evidence):
        network.float()
    figures = trainer.validate()
    made = {f"network.{key}": value.clone() for key, value in trainer.network.state_dict().items()}
    made |= {f"evidence.{key}": value.clone() for key, value in trainer.evidence.state_dict().items()}
    made["losses"] = torch.tensor(losses, dtype=torch.float64)
    made["validation"] = torch.tensor([figures["loss"]], dtype=torch.float64)
    made["torch_rng"] = torch.get_rng_state()
    made["stream"] = torch.tensor([*trainer.stream.state()["pool"], *trainer.stream.rng.integers(2**62, size=4)])
    return made


class _double_tiles:  # noqa: N801 - used as a function
    def __enter__(self) -> None:
        self._draw = draw = TileStream.next_batch

        def next_batch(*args):
            batch = draw(*args)
            return batch._replace(tiles=batch.tiles.astype(np.float64), targets=batch.targets.astype(np.float64))

        TileStream.next_batch = next_batch

    def __exit__(self, *_):
        TileStream.next_batch = self._draw


if __name__ == "__main__":
    torch.set_num_threads(1)
    with joined_world() as joined:
        assert joined.size > 1
        own = [take_steps(Path(path), joined) for path in sys.argv[2:]]
        of_all = joined.gather(own)
        if joined.is_writer:
            torch.save(of_all, sys.argv[1])
