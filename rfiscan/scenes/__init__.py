"""Scenes: readers of products, GeoTIFFs and pictures, and the working grid made of them."""

from __future__ import annotations

from rfiscan.scenes.georeferencing import Georeferencing
from rfiscan.scenes.opening import open_scene
from rfiscan.scenes.scene import Scene, Swath
from rfiscan.scenes.working_grid import WorkingGrid, read_working_grid

__all__ = ["Georeferencing", "Scene", "Swath", "WorkingGrid", "open_scene", "read_working_grid"]
