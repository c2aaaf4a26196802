"""The autoencoders, behind one interface."""

from rfiscan.networks.base import Autoencoder, Prediction, Reconstruction
from rfiscan.networks.bound import BoundEvidence
from rfiscan.networks.evidence import Evidence, EvidenceNetwork
from rfiscan.networks.presets import ARCHITECTURES, PRESETS, Preset, build_evidence, build_network

__all__ = [
    "ARCHITECTURES",
    "PRESETS",
    "Autoencoder",
    "BoundEvidence",
    "Evidence",
    "EvidenceNetwork",
    "Prediction",
    "Preset",
    "Reconstruction",
    "build_evidence",
    "build_network",
]
