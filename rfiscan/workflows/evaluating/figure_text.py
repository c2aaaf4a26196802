"""Figures and their intervals as text, for every table."""

from __future__ import annotations

from collections.abc import Mapping


def number_text(value: float | None) -> str:
    """Three decimals; small numbers with two digits that count; "-" for None."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) >= 0.01 or value == 0 else f"{value:.1e}"


def interval_text(figure: Mapping[str, float | None]) -> str:
    """Bounds of an interval in brackets; empty without any."""
    if figure["low"] is None or figure["high"] is None:
        return ""
    return f"[{number_text(figure['low'])}, {number_text(figure['high'])}]"
