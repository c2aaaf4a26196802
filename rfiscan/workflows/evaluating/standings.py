"""Who is ahead of whom: ranking, paired differences, and what they come to in plain words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from rfiscan.metrics.bootstrap import Difference, paired_difference
from rfiscan.metrics.figures import all_figures
from rfiscan.metrics.tally import Tally

RANKING_FIGURES = ("pixel_ap", "map", "scene_auroc")
"""Contenders are ranked by the first of these that the data tell."""
LOWER_IS_BETTER = frozenset({"false_stripes_per_scene", "false_stripes_per_clean_scene", "mse"})
MAIN_FIGURES = (
    "pixel_ap",
    "pixel_ap_no_halo",
    "pixel_ap_sea",
    "pixel_ap_coast",
    "pixel_ap_land",
    "pixel_auroc",
    "aupro",
    "f1",
    "f1_best",
    "iou",
    "pd_at_far_1e-2",
    "pd_at_far_1e-3",
    "pd_at_far_1e-4",
    "pd_at_far_1e-3_strong",
    "pd_at_far_1e-3_weak",
    "pd_at_far_1e-3_no_halo",
    "pd_at_far_1e-3_strong_no_halo",
    "pd_at_far_1e-3_weak_no_halo",
    "stripe_pd",
    "false_stripes_per_scene",
    "false_stripes_per_clean_scene",
    "map",
    "ap50",
    "scene_auroc",
    "scene_ap",
    "scene_f1",
    "far",
    "mse",
    "ssim",
)
"""Figures of tables for people; records hold all."""
UNJUDGED = frozenset({"far", "mse", "ssim"})
"""Figures of which more, or less, is not better at finding interference."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standings:
    """How contenders compare.

    Attributes:
        ranked_by: The figure that ranks them.
        ranking: Names, best first; those without the figure come last.
        differences: (one, other) -> figure -> what the one has more of it than the other; for every ordered pair.
    """

    ranked_by: str
    ranking: tuple[str, ...]
    differences: Mapping[tuple[str, str], Mapping[str, Difference]]

    def beats(self, one: str, other: str, figure: str) -> bool:
        """Tell whether the interval of a difference lies wholly on the better side of 0."""
        difference = self.differences[one, other][figure]
        return difference.high < 0 if figure in LOWER_IS_BETTER else difference.low > 0

    def unbeaten(self, one: str, others: Sequence[str], figure: str) -> list[str]:
        """Those of the others that one does not beat in a figure; only where there is an interval to judge by."""
        judged = [other for other in others if _has_interval(self.differences[one, other][figure])]
        return [other for other in judged if not self.beats(one, other, figure)]


def stand(tallies: Sequence[Tally]) -> Standings:
    """Compare contenders that were evaluated on the same scenes with the same seed.

    Args:
        tallies: One a contender, of different names.
    """
    figures = {tally.name: all_figures(tally) for tally in tallies}
    ranked_by = _ranking_figure(list(figures.values()))
    ranking = sorted(figures, key=lambda name: _descending(figures[name][ranked_by][0]))
    differences = {
        (one, other): {name: paired_difference(values, figures[other][name]) for name, values in figures[one].items()}
        for one, other in permutations(figures, 2)
    }
    return Standings(ranked_by=ranked_by, ranking=tuple(ranking), differences=differences)


def verdicts(standings: Standings, learned: Sequence[str], baselines: Sequence[str]) -> list[str]:
    """Say in plain sentences how each learned model stands to the other models and to the baselines.

    Args:
        standings: How contenders compare.
        learned: Names of learned models.
        baselines: Names of baselines.

    Returns:
        Sentences without a full stop, the best model first; none on differences without an interval.
    """
    sentences = []
    models = [name for name in standings.ranking if name in learned]
    for place, one in enumerate(models):
        sentences += [_between_models(standings, one, other) for other in models[place + 1 :]]
        sentences += _against_baselines(standings, one, [n for n in standings.ranking if n in baselines])
    return [sentence for sentence in sentences if sentence]


def _between_models(standings: Standings, one: str, other: str) -> str:
    """Sentence on two models, the better one first."""
    figure = standings.ranked_by
    difference = standings.differences[one, other][figure]
    if not _has_interval(difference):
        return ""
    if standings.beats(one, other, figure):
        return f"{one} beats {other} in {figure} by {_span(difference)}"
    return f"{one} and {other} are not told apart in {figure}: difference {_span(difference)}"


def _against_baselines(standings: Standings, one: str, baselines: Sequence[str]) -> list[str]:
    """Sentences on a model: each baseline that it does not beat, or by how much it is ahead of the best of them."""
    figure = standings.ranked_by
    known = [name for name in baselines if _has_interval(standings.differences[one, name][figure])]
    unbeaten = standings.unbeaten(one, known, figure)
    sentences = [
        f"{one} does NOT beat the baseline {name} in {figure}: difference "
        f"{_span(standings.differences[one, name][figure])}"
        for name in unbeaten
    ]
    if known and not unbeaten:
        best = known[0]
        span = _span(standings.differences[one, best][figure])
        which = f"every baseline in {figure}; the best of them, {best}," if len(known) > 1 else f"{best} in {figure}"
        sentences.append(f"{one} beats {which} by {span}")
    return sentences


def _span(difference: Difference) -> str:
    value, low, high = (round(x, 3) + 0.0 for x in (difference.value, difference.low, difference.high))  # no -0.000
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _has_interval(difference: Difference) -> bool:
    return not any(math.isnan(bound) for bound in (difference.value, difference.low, difference.high))


def _ranking_figure(figures: Sequence[Mapping[str, NDArray[np.float64]]]) -> str:
    for name in RANKING_FIGURES:
        if any(not math.isnan(values[name][0]) for values in figures):
            return name
    return RANKING_FIGURES[0]


def _descending(value: float) -> float:
    return math.inf if math.isnan(value) else -float(value)
