"""Simulated Sentinel-1 scenes at the working spacing, with interference and truth."""

from rfiscan.simulation.background import draw_background
from rfiscan.simulation.geometry import SwathLayout, draw_layout
from rfiscan.simulation.interference import Interference, Interferer, Stripe, draw_interference
from rfiscan.simulation.priors import InterferencePriors
from rfiscan.simulation.scene import SimulatedScene, compose_scene, draw_looks, simulate_scene

__all__ = [
    "Interference",
    "InterferencePriors",
    "Interferer",
    "SimulatedScene",
    "Stripe",
    "SwathLayout",
    "compose_scene",
    "draw_background",
    "draw_interference",
    "draw_layout",
    "draw_looks",
    "simulate_scene",
]
