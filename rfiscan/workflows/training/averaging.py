"""Moving averages of weights over the steps of a run: steadier than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

PREFIX = "average."
_Tensors = tuple[Tensor, ...] | list[Tensor]


def decay_after(count: int, decay: float) -> float:
    """Share of an average over ``count`` steps that the next step keeps: ``decay``, or less while they are few.

    With ``decay`` alone the random weights of a run's first step would still be two fifths of the average after
    1 / (1 - decay) steps. The rule is that of TensorFlow's tf.train.ExponentialMovingAverage, argument num_updates.
    """
    return min(decay, (1 + count) / (10 + count))


class WeightAverages:
    """Exponential moving averages of networks, statistics of batches included.

    Few tiles a step make noisy steps; the average over many of them lies where the loss is flat (Izmailov et al. 2018,
    Averaging Weights Leads to Wider Optima and Better Generalization, arXiv:1803.05407). They begin with the weights
    after the first step, and let go of them quickly: see `decay_after`.

    Args:
        networks: Are copied.
        decay: Share of the average that a step keeps, 0..1: it reaches back over 1 / (1 - decay) steps.
    """

    def __init__(self, networks: Sequence[nn.Module], decay: float) -> None:
        def average(kept: _Tensors, now: _Tensors, count: Tensor | int) -> None:
            get_ema_multi_avg_fn(decay_after(int(count), decay))(kept, now, count)  # type: ignore[no-untyped-call]

        self._averages = [AveragedModel(each, multi_avg_fn=average, use_buffers=True) for each in networks]

    def update(self, networks: Sequence[nn.Module]) -> None:
        """Take a step of the networks in."""
        for average, network in zip(self._averages, networks, strict=True):
            average.update_parameters(network)

    def __getitem__(self, number: int) -> nn.Module:
        """The averaged network, of the kind of the one that was given."""
        return self._averages[number].module

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """All that `restore` needs, by name."""
        for number, average in enumerate(self._averages):
            for name, tensor in average.state_dict().items():
                yield f"{PREFIX}{number}.{name}", tensor

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Go on from `tensors`; others among them do not matter.

        Raises:
            RuntimeError: If they are of other networks.
        """
        for number, average in enumerate(self._averages):
            prefix = f"{PREFIX}{number}."
            average.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
