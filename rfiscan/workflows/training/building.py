"""From a configuration to a network on a device, and to the tiles that it learns from."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from rfiscan.config.schema import TrainConfig
from rfiscan.errors import ConfigError, ResourceError
from rfiscan.networks import ARCHITECTURES, PRESETS, Autoencoder, build_network
from rfiscan.networks.cae import DenseAutoencoder
from rfiscan.networks.mae import MaskedAutoencoder
from rfiscan.networks.vae import VariationalAutoencoder
from rfiscan.priors import bundled_priors
from rfiscan.standardisation import Standardisation
from rfiscan.training_data.backgrounds import Background
from rfiscan.training_data.dataset import TileStream
from rfiscan.training_data.scene_pool import ScenePool, SceneSettings
from rfiscan.workflows.training.world import World, number_on_machine, started_world


def pick_device(wanted: str) -> torch.device:
    """The device to train on; auto takes a GPU if there is one, and of several processes each takes its own.

    Raises:
        ResourceError: If there is none.
    """
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ResourceError("there is no CUDA device", hint="Set device: cpu.")
    if wanted == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if started_world().size == 1:
        return torch.device("cuda")
    number, count = number_on_machine(), torch.cuda.device_count()
    if number >= count:
        raise ResourceError(
            f"process {number + 1} of this machine finds no GPU of its own: there are {count}",
            hint="Start as many processes as GPUs (torchrun --nproc-per-node gpu), or set device: cpu.",
        )
    torch.cuda.set_device(number)
    return torch.device("cuda", number)


def network_settings(config: TrainConfig) -> dict[str, Any]:
    """The preset's settings with the configuration's own on top."""
    preset = PRESETS.get(config.network.preset)
    if preset is None:
        raise ConfigError(f"unknown preset {config.network.preset!r}", hint=f"Known are {', '.join(PRESETS)}.")
    arguments = inspect.signature(ARCHITECTURES[preset.architecture]).parameters
    tile = {"tile": list(config.tile_shape)} if "tile" in arguments else {}
    normalised: dict[str, Any] = {}
    if config.normalise_targets:
        if "normalise_target" not in arguments:
            raise ConfigError(f"normalise_targets: preset {config.network.preset} has no patches", hint="Use a mae.")
        normalised = {"normalise_target": True}
    return {**tile, **preset.settings, **normalised, **config.network.settings}


def build_from_config(config: TrainConfig) -> Autoencoder:
    """Build the configured network.

    Raises:
        ConfigError: If a setting does not fit it.
    """
    settings, crop = network_settings(config), config.crop_shape
    try:
        network = build_network(PRESETS[config.network.preset].architecture, settings)
    except ValueError as error:
        raise ConfigError(f"network.settings: {error}") from error
    if isinstance(network, DenseAutoencoder) and crop not in (None, config.tile_shape):
        raise ConfigError(f"preset {config.network.preset} takes whole tiles only", hint="Leave crop_shape out.")
    if isinstance(network, MaskedAutoencoder) and crop and (crop[0] % network.patch[0] or crop[1] % network.patch[1]):
        raise ConfigError(f"crop_shape {list(crop)} is not a multiple of the patch {list(network.patch)}")
    if config.score == "bound" and not isinstance(network, VariationalAutoencoder):
        raise ConfigError(f"score: preset {config.network.preset} gives no bound", hint="Use preset vae.")
    return network


def open_stream(config: TrainConfig, real: tuple[Background, ...], world: World) -> TileStream:
    """The training tiles of a configuration, from simulated scenes and ``real`` ones without interference.

    Args:
        config: Of the run.
        real: Real backgrounds.
        world: The processes that share the work of the simulator.
    """
    data = config.data
    settings = SceneSettings(
        real=real,
        real_share=data.real_share,
        contaminated_share=data.contaminated_share,
        filling_share=data.filling_share,
        tile_shape=config.tile_shape,
        spacing_m=config.spacing_m,
        priors=bundled_priors(),
    )
    sharers = world if world.size > 1 else None
    return TileStream(
        ScenePool(settings, seed=config.seed, size=data.pool, renew_every=data.renew_every, sharers=sharers),
        standardisation=Standardisation(**config.standardisation.model_dump()),
        crop_shape=config.crop_shape or config.tile_shape,
        small_stripe_weight=config.optimiser.small_stripe_weight,
        drawing=data.drawing,
    )
