"""Whether a scene is calibrated and freed of thermal noise, and what a user should know about it."""

from __future__ import annotations

from rfiscan.errors import UsageError
from rfiscan.model_files.model_card import ModelCard
from rfiscan.radiometry import Units
from rfiscan.scenes.scene import Scene
from rfiscan.scenes.working_grid import Grid
from rfiscan.sentinel1.sigma_nought import FLOOR

FLOORED_SHARE = 0.01


def choose_calibration(card: ModelCard, calibrate: bool | None, denoise: bool | None) -> tuple[bool, bool]:
    """Choose whether a scene is calibrated, and whether its thermal noise is removed.

    Noise is removed on the way to sigma nought only: what it leaves is no digital number.

    Args:
        card: Of the model, which says what it was trained on.
        calibrate: What the user asked for; None for what the model was trained on.
        denoise: Likewise.

    Returns:
        (calibrated, denoised); never denoised and not calibrated.

    Raises:
        UsageError: If noise is to be removed and nothing calibrated.
    """
    if denoise and calibrate is False:
        raise UsageError("--denoise needs calibration, and --no-calibrate rules it out", hint="Leave out one of them.")
    denoised = card.denoised and calibrate is not False if denoise is None else denoise
    return denoised or (card.calibrated if calibrate is None else calibrate), denoised


def calibration_warnings(scene: Scene, grid: Grid, card: ModelCard) -> list[str]:
    """Say where a scene differs in calibration from what the model was trained on, and where noise exceeds power.

    Args:
        scene: The scene as it was read.
        grid: Its working grid.
        card: Of the model.
    """
    warnings = []
    calibrated = scene.units is Units.SIGMA_NOUGHT
    if scene.denoised != card.denoised or (card.calibrated and not calibrated):
        warnings.append(
            f"works on {_named(calibrated=calibrated, denoised=scene.denoised)}, the model was trained on "
            f"{_named(calibrated=card.calibrated, denoised=card.denoised)}: "
            "its false-alarm rate does not hold here"
        )
    for name, share in zip(scene.polarizations, grid.floored_share, strict=True):
        if name is not None and share > FLOORED_SHARE:
            warnings.append(
                f"{100 * share:.0f} % of {name} hold no more power than the noise that was removed: set to {FLOOR:g}"
            )
    return warnings


def _named(*, calibrated: bool, denoised: bool) -> str:
    if not calibrated:
        return "power that is not calibrated"
    return "sigma nought without thermal noise" if denoised else "sigma nought"
