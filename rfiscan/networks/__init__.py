"""The autoencoders, behind one interface."""

from rfiscan.networks.base import Autoencoder, Prediction, Reconstruction
from rfiscan.networks.evidence import EvidenceNetwork
from rfiscan.networks.presets import ARCHITECTURES, PRESETS, Preset, build_network

__all__ = [
    "ARCHITECTURES",
    "PRESETS",
    "Autoencoder",
    "EvidenceNetwork",
    "Prediction",
    "Preset",
    "Reconstruction",
    "build_network",
]
