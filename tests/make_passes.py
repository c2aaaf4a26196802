"""Scenes of both directions that heard emitters at known places: by the error model, or by the simulator's truth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rfiscan.export.simulated_pass import SimulatedPass, pass_over
from rfiscan.locating.heard_rows import HeardStripe, Hearing, hearings, row_centre
from rfiscan.locating.positions import SCALES_M, directions
from rfiscan.priors import bundled_priors
from rfiscan.simulation import draw_layout
from rfiscan.simulation.interference import place_interference
from rfiscan.simulation.stations import LEVEL, hear_station
from rfiscan.workflows.locate_lines import HeardScene
from rfiscan.workflows.passes import SHIFT, PassesOptions, draw_stations

SHAPE, SPACING_M = (340, 500), 500.0
EDGES_PX = (0, 170, 342, 500)  # of IW, about
SHARES = (0.35, 0.47, 0.18)


@dataclass(frozen=True)
class Watched:
    """Scenes, and the true places of the emitters: longitudes and latitudes, and directions, shape (N, 3)."""

    scenes: list[HeardScene]
    lonlat: list[tuple[float, float]]

    @property
    def truth(self):
        return directions(*np.array(self.lonlat).reshape(-1, 2).T)


def orbits(place, count, rng):
    """So many ascending and as many descending passes over a place."""
    at_m = (0.5 + rng.uniform(-SHIFT, SHIFT, (2 * count, 2))) * np.array(SHAPE) * SPACING_M
    return [pass_over(place, (float(r), float(c)), ascending=i % 2 == 0) for i, (r, c) in enumerate(at_m)]


def scene_of(orbit: SimulatedPass, heard: tuple[Hearing, ...], name: str) -> HeardScene:
    georeferencing = orbit.gcps(SHAPE, SPACING_M)
    return HeardScene(
        name=name, georeferencing=georeferencing, shape=SHAPE, row_m=SPACING_M, edges_px=EDGES_PX, hearings=heard
    )


def hearing(row_m, col_m, index=0, *, shown=(False, True), shares=SHARES):
    swath = int(np.clip(np.searchsorted(EDGES_PX, col_m / SPACING_M) - 1, 0, 2))
    return Hearing(row_m=row_m, shares=shares, swath=swath, shown=shown, excess_db=10.0, stripes=(index,))


def by_model(lonlat, place, passes=3, *, seed=0, errors=True, detected=1.0, false=0):
    """Scenes whose lines err as the model of the error says, with false stripes in each."""
    rng = np.random.default_rng(seed)
    scenes = []
    for number, orbit in enumerate(orbits(place, passes, rng)):
        heard = []
        for spot in lonlat:
            if rng.random() < detected:
                row_m, col_m = (float(x) for x in orbit.grid_m(*spot))
                scale_m = rng.choice(SCALES_M, p=SHARES) if errors else 0.0
                heard.append(hearing(row_m + float(rng.normal(0.0, 1.0)) * scale_m, col_m, len(heard)))
        for _ in range(false):
            row_m, col_m = rng.uniform(0.0, 1.0, 2) * np.array(SHAPE) * SPACING_M
            heard.append(hearing(float(row_m), float(col_m), len(heard)))
        scenes.append(scene_of(orbit, tuple(heard), f"scene_{number}"))
    return Watched(scenes, list(lonlat))


def by_truth(options: PassesOptions) -> Watched:
    """Scenes whose stripes are those of the simulator's truth over a flat sea."""
    stations = draw_stations(options)
    rng = np.random.default_rng([options.seed, 5])
    scenes = []
    for number, orbit in enumerate(orbits(options.place, options.passes, rng)):
        layout = draw_layout(rng, SHAPE, mode="IW", spacing_m=SPACING_M)
        background = np.full((2, *SHAPE), LEVEL, np.float32)
        background[0] *= 10.0
        heard = []
        for station in stations:
            row_m, col_m = (float(x) for x in orbit.grid_m(*station.lonlat))
            heard.append((hear_station(rng, station, layout, (row_m, col_m), SPACING_M), station.power))
        found = place_interference(heard, layout, background, SPACING_M)
        excess_db = 10.0 * np.log10(1.0 + found.power / background)
        stripes = [stripe for each in found.interferers for stripe in each.stripes if stripe.visible]
        names = [layout.radar(index).name for index in range(layout.swath_count)]
        edges = (0, *(round(edge) for edge in layout.edges_px[1:-1] if 0 < edge < SHAPE[1]), SHAPE[1])
        measured = []
        for index, stripe in enumerate(stripes):
            x, y, width, height = stripe.bbox_px
            box_db = excess_db[:, y : y + height, x : x + width]
            centre = row_centre(np.where(found.labels[y : y + height, x : x + width] == stripe.label, box_db, np.nan))
            measured.append(
                HeardStripe(
                    index=index,
                    row_m=SPACING_M * (y + (0.5 * height if centre is None else centre)),
                    rows_m=(SPACING_M * y, SPACING_M * (y + height)),
                    swath=min(names.index(stripe.swath), len(edges) - 2),
                    excess_db=float(box_db.max()),
                    shown=(bool(box_db[0].max() >= 1.0), bool(box_db[1].max() >= 1.0)),
                )
            )
        georeferencing = orbit.gcps(SHAPE, SPACING_M)
        scenes.append(
            HeardScene(
                name=f"scene_{number}",
                georeferencing=georeferencing,
                shape=SHAPE,
                row_m=SPACING_M,
                edges_px=edges,
                hearings=tuple(hearings(measured)),
            )
        )
    return Watched(scenes, [station.lonlat for station in stations])


def options_for(folder, seed, place=(8.0, 52.0), emitters=4, passes=3):
    return PassesOptions(
        out_dir=folder, priors=bundled_priors(), seed=seed, place=place, emitters=emitters, passes=passes
    )
