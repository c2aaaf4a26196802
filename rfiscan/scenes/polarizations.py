"""Which polarization a band holds, and which slot that is: co-pol (VV, HH) is slot 0, cross-pol (VH, HV) slot 1."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rfiscan.errors import SceneError

CO_POL = ("VV", "HH")
CROSS_POL = ("VH", "HV")
_PARTNER = {"VV": "VH", "VH": "VV", "HH": "HV", "HV": "HH"}
_TOKEN = re.compile(r"(?<![a-z])(?:vv|vh|hh|hv)(?![a-z])", re.IGNORECASE)
# Product names: 1S or 2S, then SH, SV (single), DH, DV (dual), HH, HV, VH, VV (partial dual).
_PRODUCT_NAME = re.compile(r"(?:^|_)[12]S(DV|DH|SV|SH|HH|HV|VH|VV)(?:_|$)")
_OF_PRODUCT = {"DV": ("VV", "VH"), "DH": ("HH", "HV"), "SV": ("VV",), "SH": ("HH",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """Where the bands of a scene go.

    Attributes:
        order: For each band as given, its slot.
        polarizations: Name of each slot, None if absent.
        warnings: What was assumed.
    """

    order: tuple[int, ...]
    polarizations: tuple[str | None, str | None]
    warnings: tuple[str, ...] = ()


def slot_of(polarization: str) -> int:
    """Return 0 for a co-pol name, 1 for a cross-pol one."""
    return 0 if polarization in CO_POL else 1


def named_in(text: str) -> tuple[str, ...]:
    """Return the polarizations that a file name or description spells out as words of their own, in its order."""
    found = (match.group().upper() for match in _TOKEN.finditer(text))
    return tuple(dict.fromkeys(found))


def told_by_product_name(text: str) -> tuple[str, ...]:
    """Return the polarizations that a Sentinel-1 product name anywhere in a path implies (1SDV: VV and VH)."""
    codes = [match.group(1) for part in re.split(r"[/\\.]", text) for match in _PRODUCT_NAME.finditer(part)]
    return _OF_PRODUCT.get(codes[-1], (codes[-1],)) if codes else ()


def assign_slots(found: Sequence[str | None], where: str) -> Slots:
    """Give each band its slot.

    Args:
        found: Polarization of each of one or two bands, None where nothing tells it.
        where: What the bands were read from, for messages.

    Raises:
        SceneError: Both bands are co-pol, or both are cross-pol.
    """
    names = list(found)
    warnings: tuple[str, ...] = ()
    if None in names:
        names = _assumed(found)
        told = " and ".join(str(name) for name in names)
        warnings = (f"{where}: nothing tells the polarization: {told} assumed",)
    order = tuple(slot_of(str(name)) for name in names)
    if len(set(order)) != len(order):
        kind = ("co-pol", "cross-pol")[order[0]]
        both = names[0] if names[0] == names[1] else f"{names[0]} and {names[1]}"
        raise SceneError(
            f"{where}: both are {kind} ({both}), where one co-pol and one cross-pol band belong together",
            hint="Give one VV (or HH) and one VH (or HV) file of the same acquisition, or one of them alone.",
        )
    slots: list[str | None] = [None, None]
    for slot, name in zip(order, names, strict=True):
        slots[slot] = name
    return Slots(order=order, polarizations=(slots[0], slots[1]), warnings=warnings)


def _assumed(found: Sequence[str | None]) -> list[str | None]:
    if len(found) == 1:
        return ["VV"]
    first, second = found
    if first is None and second is None:
        return ["VV", "VH"]
    return [first or _PARTNER[str(second)], second or _PARTNER[str(first)]]
