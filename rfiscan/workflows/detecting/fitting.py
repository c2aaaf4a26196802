"""Whether a scene and a model fit, and what a user should know about the match."""

from __future__ import annotations

from typing import Literal, Protocol

from rfiscan.errors import ModelFitError
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import Grid, working_factors
from rfiscan.workflows.resources import require_memory

# a scene coarser than this many model spacings holds nothing of the scale that the model has learnt
COARSEST_FIT = 1.5
# a side shorter than this share of a tile's is seen mostly in its own mirror images, which no calibration has
SMALLEST_FIT = 0.5

_PARTNER = {"VV": "VH", "HH": "HV", "VH": "VV", "HV": "HH"}
_GEOREFERENCING = {
    "affine": "map-projected",
    "gcps": "ground control points",
    "none": "no georeferencing",
}


class Extent(Protocol):
    """What of a scene decides whether a model fits; a product without measurements has it, too."""

    @property
    def scene_id(self) -> str:
        """Name of the scene."""

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) in pixels."""

    @property
    def spacing_m(self) -> tuple[float, float]:
        """Pixel spacing (row, col) in metres."""


def choose_spacing(scene: Extent, model_spacing_m: float, requested: float | Literal["native"] | None) -> float | None:
    """Choose the spacing of the working grid.

    Args:
        scene: The scene.
        model_spacing_m: Spacing at which the model was trained, in metres.
        requested: What the user asked for: metres, "native", or None for the model's.

    Returns:
        Spacing in metres; None to work on every pixel.

    Raises:
        ModelFitError: If nothing was asked for and the scene is too coarse for the model.
    """
    spacing_m = model_spacing_m if requested is None else requested
    if requested is None and max(scene.spacing_m) > COARSEST_FIT * model_spacing_m:
        raise ModelFitError(
            f"{scene.scene_id}: its pixels are {max(scene.spacing_m):.0f} m apart, "
            f"the model was trained at {model_spacing_m:.0f} m",
            hint="Use a model of coarser spacing, or --spacing native to run this one all the same.",
        )
    return None if spacing_m == "native" else spacing_m


def whole_spacing(scene: Extent, model_spacing_m: float) -> float | None:
    """Choose the spacing of a working grid that is to be in memory as a whole: see `choose_spacing`.

    Raises:
        ModelFitError: If the scene is too coarse for the model.
        ResourceError: If the working grid does not fit into the available memory.
    """
    spacing_m = choose_spacing(scene, model_spacing_m, None)
    require_memory(*working_shape(scene, spacing_m))
    return spacing_m


def working_shape(scene: Extent, spacing_m: float | None) -> tuple[int, int]:
    """Return the (rows, columns) of the working grid that `read_working_grid` makes of a scene."""
    height_px, width_px = (
        -(-size_px // factor)
        for size_px, factor in zip(scene.shape, working_factors(scene.spacing_m, spacing_m), strict=True)
    )
    return height_px, width_px


def scene_summary(scene: Scene) -> str:
    """Say in one line what was recognised: polarizations, size, units, georeferencing, spacing."""
    names = "+".join(name for name in scene.polarizations if name is not None)
    return (
        f"{scene.scene_id}: {names}, {scene.shape[0]} x {scene.shape[1]} pixels of {spacing_text(scene.spacing_m)}"
        f"{'' if scene.spacing_known else ' (assumed)'}, units {scene.units.value}"
        f"{' without thermal noise' if scene.denoised else ''}, "
        f"{_GEOREFERENCING[scene.georeferencing.kind]}"
    )


def spacing_text(spacing_m: tuple[float, float]) -> str:
    """Say a pixel spacing (row, col): one number where both agree within a percent."""
    row_m, col_m = spacing_m
    return f"{row_m:.4g} m" if abs(row_m - col_m) < 0.01 * row_m else f"{row_m:.4g} x {col_m:.4g} m"


def scene_warnings(scene: Scene) -> list[str]:
    """Say what the scene lacks, after what its reader had to say."""
    warnings = list(scene.warnings)
    present = [name for name in scene.polarizations if name is not None]
    if len(present) == 1:
        missing = _PARTNER.get(present[0], "the other polarization")
        warnings.append(f"{missing} is absent: the model runs on {present[0]} alone")
    if scene.georeferencing.kind == "none":
        warnings.append("the scene is not georeferenced: outputs are in pixels, footprints are null")
    return warnings


def grid_warnings(grid: Grid, model_spacing_m: float, tile_shape: tuple[int, int]) -> list[str]:
    """Say where the working grid differs from what the model was trained on.

    Args:
        grid: The working grid of the scene.
        model_spacing_m: Spacing at which the model was trained, in metres.
        tile_shape: Height and width of a tile in pixels.

    Returns:
        One sentence per difference; empty where there is none.
    """
    warnings = []
    ratios = [spacing_m / model_spacing_m for spacing_m in grid.spacing_m]
    if max(ratios) > COARSEST_FIT or min(ratios) < 1 / COARSEST_FIT:
        row_m, col_m = grid.spacing_m
        warnings.append(
            f"works at {row_m:.4g} x {col_m:.4g} m, the model was trained at {model_spacing_m:.4g} m: "
            "its false-alarm rate does not hold here"
        )
    height_px, width_px = grid.shape
    if is_padded((height_px, width_px), tile_shape):
        padding = padding_text((height_px, width_px), tile_shape)
        warnings.append(f"the working grid of {height_px} x {width_px} pixels is {padding}")
    return warnings


def is_padded(shape: tuple[int, int], tile_shape: tuple[int, int]) -> bool:
    """Tell whether a working grid is smaller than a tile in some axis, so that tiles are padded by reflection."""
    return shape[0] < tile_shape[0] or shape[1] < tile_shape[1]


def padding_text(shape: tuple[int, int], tile_shape: tuple[int, int]) -> str:
    """Say what it means that a working grid is smaller than a tile."""
    text = f"smaller than a tile of {tile_shape[0]} x {tile_shape[1]}: padded by reflection"
    if any(size_px < SMALLEST_FIT * tile_px for size_px, tile_px in zip(shape, tile_shape, strict=True)):
        text += ", and with a side of less than half a tile the false-alarm rates do not hold here"
    return text


def polarization_names(slots: tuple[str | None, str | None]) -> tuple[str, str]:
    """Name both slots, an absent one after the partner of the present one.

    Args:
        slots: Names of the co-polarized and the cross-polarized slot; None where absent.

    Returns:
        Such as ("VV", "VH") for (None, "VH").
    """
    co_pol, cross_pol = slots
    return co_pol or _PARTNER.get(cross_pol or "", "VV"), cross_pol or _PARTNER.get(co_pol or "", "VH")
