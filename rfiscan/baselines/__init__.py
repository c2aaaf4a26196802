"""Classical detectors of interference: what a network must beat to be worth its weights."""

from rfiscan.baselines.detector import Detector, weigh_scene
from rfiscan.baselines.gabor import Gabor
from rfiscan.baselines.median import AzimuthMedian
from rfiscan.baselines.pca import PatchPca
from rfiscan.baselines.rayleigh import Rayleigh
from rfiscan.baselines.rows import RowStatistics

__all__ = ["AzimuthMedian", "Detector", "Gabor", "PatchPca", "Rayleigh", "RowStatistics", "weigh_scene"]
