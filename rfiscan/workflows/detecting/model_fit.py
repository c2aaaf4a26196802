"""Whether a model can look at a scene, and why, without loading its network."""

from __future__ import annotations

from typing import Any

from rfiscan.errors import ModelFitError, ResourceError
from rfiscan.model_files.model_card import ModelCard
from rfiscan.workflows.detecting.fitting import (
    Extent,
    choose_spacing,
    is_padded,
    padding_text,
    spacing_text,
    working_shape,
)
from rfiscan.workflows.detecting.memory_plan import plan_memory


def fit_record(scene: Extent, card: ModelCard, *, spacing_known: bool) -> dict[str, Any]:
    """Say whether `detect` would run a model on a scene as it is, and why.

    Args:
        scene: Its size and spacing.
        card: Of the model.
        spacing_known: False where the spacing of the scene is assumed.

    Returns:
        `model`, its `spacing_m`, `fits`, and the `reason`.
    """
    fits, reason = _fit(scene, card)
    if not spacing_known:
        reason += f"; the scene's spacing is not known, {max(scene.spacing_m):g} m is assumed"
    return {"model": card.name, "spacing_m": card.spacing_m, "fits": fits, "reason": reason}


def _fit(scene: Extent, card: ModelCard) -> tuple[bool, str]:
    try:
        shape = working_shape(scene, choose_spacing(scene, card.spacing_m, None))
        plan_memory(shape, card.tile_shape, batch_tiles=1, max_memory_gb=None)
    except (ModelFitError, ResourceError) as error:
        return False, str(error).removeprefix(f"{scene.scene_id}: ")
    rows, cols = (max(1, round(card.spacing_m / own_m)) for own_m in scene.spacing_m)
    spacing = spacing_text((scene.spacing_m[0] * rows, scene.spacing_m[1] * cols))
    averaged = "its pixels are kept" if rows == cols == 1 else f"{rows} x {cols} pixels are averaged"
    reason = f"{averaged}: {shape[0]} x {shape[1]} at {spacing}, trained at {card.spacing_m:.4g} m"
    if is_padded(shape, card.tile_shape):
        reason += f"; {padding_text(shape, card.tile_shape)}"
    return True, reason
