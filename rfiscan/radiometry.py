"""What stored numbers mean (digital numbers, amplitude, power, decibels), and linear power from them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_TYPICAL_DB = (-100.0, 60.0)
_REAL_SHARE = 0.01


class Units(StrEnum):
    """Units of stored values."""

    DN = "dn"  # integer digital numbers, proportional to amplitude
    AMPLITUDE = "amplitude"  # linear amplitude, floating point
    POWER = "power"  # linear power
    DB = "db"  # power in decibels
    QUICKLOOK = "quicklook"  # 8-bit amplitude of a quick-look picture
    COMPLEX = "complex"  # single-look complex
    SIGMA_NOUGHT = "sigma_nought"  # calibrated linear power


def to_power(values: NDArray[Any], units: Units, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Return linear power of stored values; the scale stays that of the source, nothing is calibrated.

    Args:
        values: Stored values of any shape and type.
        units: What they are.
        out: float32 array of the same shape to write into.

    Returns:
        Power, float32 of the same shape. NaN stays NaN.
    """
    power = np.empty(values.shape, np.float32) if out is None else out
    with np.errstate(over="ignore", invalid="ignore"):
        if np.iscomplexobj(values):
            np.square(values.real, out=power, dtype=np.float32, casting="same_kind")
            power += np.square(values.imag, dtype=np.float32, casting="same_kind")
        elif units in {Units.POWER, Units.SIGMA_NOUGHT}:
            np.copyto(power, values, casting="unsafe")
        elif units is Units.DB:
            np.multiply(values, np.float32(np.log(10) / 10), out=power, dtype=np.float32, casting="same_kind")
            np.exp(power, out=power)
        else:  # squared as float32: 65535 squared does not fit uint16
            np.square(values, out=power, dtype=np.float32, casting="unsafe")
    return power


def power_to_db(power: NDArray[np.floating[Any]], floor_db: float = -100.0) -> NDArray[np.float32]:
    """Return 10 log10 of linear power, float32 of the same shape.

    Zero, negative and tiny power gives `floor_db`; NaN stays NaN.
    """
    floor = np.float32(10 ** (floor_db / 10))
    result: NDArray[np.float32] = 10 * np.log10(np.maximum(power, floor, dtype=np.float32))
    return result


def recognise_units(dtype: DTypeLike, sample: NDArray[Any], valid: NDArray[np.bool_]) -> Units:
    """Tell the units of stored values from their type and distribution.

    Integers are digital numbers (8-bit ones a quick-look). Floating-point values are decibels if a real share of them
    is clearly negative and they lie in a range that decibels have; amplitude if they look like digital numbers
    (median 5 to 10^4); else linear power. For floating point that is a guess, and the caller should say so.

    Args:
        dtype: Type of the stored values.
        sample: Some of the values, any shape.
        valid: bool of the shape of `sample`.
    """
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return Units.COMPLEX
    if kind == np.uint8:
        return Units.QUICKLOOK
    if kind.kind in "iub":
        return Units.DN
    values = sample[valid & np.isfinite(sample)]
    if values.size == 0:
        return Units.POWER
    low, high = _TYPICAL_DB
    in_range = np.mean((values >= low) & (values <= high)) > 1 - _REAL_SHARE
    if in_range and np.mean(values < -1) > _REAL_SHARE:
        return Units.DB
    return Units.AMPLITUDE if 5 <= np.median(values) < 1e4 else Units.POWER
