"""Scenes of ascending and descending passes over the same emitters, for trying out where these are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan import __version__
from rfiscan.atomic import write_atomically
from rfiscan.export.records import to_json
from rfiscan.export.simulated_pass import SimulatedPass, pass_over
from rfiscan.export.truth_files import Origin, write_scene_with_truth
from rfiscan.simulation import InterferencePriors, SimulatedScene, compose_scene, draw_background, draw_layout
from rfiscan.simulation.background import draw_surface
from rfiscan.simulation.interference import place_interference
from rfiscan.simulation.scene import draw_looks
from rfiscan.simulation.stations import Station, draw_station, hear_station
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.scene_jobs import SURFACE_NAMES

AREA = 0.3
"""Emitters stand within this share of a scene's height and width around its middle, so that every pass sees them."""
SHIFT = 0.08
"""Scenes lie up to this share of their size beside one another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassesOptions:
    """What the user chose.

    Attributes:
        out_dir: Folder of the scenes, made if absent.
        priors: What interferers are like.
        passes: Scenes of each direction.
        emitters: Number of emitters.
        seed: All scenes depend on it.
        place: Longitude and latitude of the middle, in degrees.
        shape: (H, W) in pixels.
        spacing_m: Pixel spacing in metres.
    """

    out_dir: Path
    priors: InterferencePriors
    passes: int = 3
    emitters: int = 4
    seed: int = 0
    place: tuple[float, float] = (8.0, 52.0)
    shape: tuple[int, int] = (340, 500)
    spacing_m: float = 500.0


def draw_stations(options: PassesOptions) -> tuple[Station, ...]:
    """The emitters of a set of passes."""
    rng = np.random.default_rng([options.seed, 0])
    size_m = np.array(options.shape) * options.spacing_m
    north_up = pass_over(options.place, (0.0, 0.0), ascending=True)
    layout = draw_layout(rng, options.shape, mode="IW", spacing_m=options.spacing_m)
    stations = []
    for _ in range(options.emitters):
        lon, lat = north_up.lonlat(*(rng.uniform(-AREA, AREA, 2) * size_m))
        place = (float((lon + 180.0) % 360.0 - 180.0), float(lat))
        stations.append(draw_station(rng, options.priors, place, layout, options.spacing_m))
    return tuple(stations)


def write_passes(options: PassesOptions, reporter: Reporter = SILENT) -> Iterator[dict[str, Any]]:
    """Write scenes with their truth, and ``emitters_truth.geojson``, which says where the emitters stand.

    Args:
        options: What to write.
        reporter: Is told how far the work is.

    Yields:
        One record a scene, as `write_scenes` has them.

    Raises:
        OutputError: If a file cannot be written.
    """
    stations = draw_stations(options)
    _write_stations(options.out_dir / "emitters_truth.geojson", stations)
    for number in range(2 * options.passes):
        direction = ("ascending", "descending")[number % 2]
        scene, surface, orbit = simulate_pass(options, stations, number)
        origin = Origin(
            name=f"{direction}_{number // 2:04d}",
            georeferencing=orbit.gcps(options.shape, options.spacing_m),
            spacing_m=options.spacing_m,
            surface=SURFACE_NAMES[surface],
        )
        yield write_scene_with_truth(options.out_dir, scene, origin)
        reporter.progress("simulating", number + 1, 2 * options.passes)


def simulate_pass(
    options: PassesOptions, stations: tuple[Station, ...], number: int
) -> tuple[SimulatedScene, str, SimulatedPass]:
    """Simulate one scene of a set of passes: even ones ascend, odd ones descend.

    Args:
        options: What to simulate.
        stations: From `draw_stations`.
        number: Of the scene; it decides all that is drawn, together with the seed.

    Returns:
        The scene, what it shows, and how it lies on the Earth.
    """
    rng = np.random.default_rng([options.seed, 1, number])
    at_m = (0.5 + rng.uniform(-SHIFT, SHIFT, 2)) * np.array(options.shape) * options.spacing_m
    orbit = pass_over(options.place, (float(at_m[0]), float(at_m[1])), ascending=number % 2 == 0)
    layout = draw_layout(rng, options.shape, mode="IW", spacing_m=options.spacing_m)
    surface = draw_surface(rng)
    background = draw_background(rng, layout, surface)
    heard = []
    for station in stations:
        rows_m, cols_m = orbit.grid_m(*station.lonlat)
        emitter = hear_station(rng, station, layout, (float(rows_m), float(cols_m)), options.spacing_m)
        heard.append((emitter, station.power))
    valid = np.broadcast_to(layout.valid_mask(), background.shape).copy()
    interference = place_interference(heard, layout, background, options.spacing_m)
    return compose_scene(rng, layout, background, valid, interference, looks=draw_looks(rng)), surface, orbit


def _write_stations(path: Path, stations: tuple[Station, ...]) -> None:
    features = [
        {
            "type": "Feature",
            "id": number,
            "geometry": {"type": "Point", "coordinates": [round(degrees, 7) for degrees in station.lonlat]},
            "properties": {"power": station.power, **_lasting(station), "software": f"rfiscan {__version__}"},
        }
        for number, station in enumerate(stations, start=1)
    ]
    write_atomically(path, (to_json({"type": "FeatureCollection", "features": features}) + "\n").encode())


def _lasting(station: Station) -> dict[str, Any]:
    """What does not change from pass to pass."""
    changing = {"phase_s", "looks_s", "azimuth_s", "ground_share", "seed"}
    return {key: value for key, value in asdict(station.emitter).items() if key not in changing}
