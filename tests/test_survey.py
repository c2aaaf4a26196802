"""The survey of simulated stripes: its figures, and how they compare with what was published."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfiscan.errors import UsageError
from rfiscan.priors import bundled_priors
from rfiscan.workflows import survey
from rfiscan.workflows.survey import SQUARE, SurveyRow, survey_stripes

quick = settings(max_examples=50, deadline=None)
boxes = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 200), st.integers(1, 300), st.integers(3, 140)),
    min_size=1,
    max_size=30,
)


def by_name(rows):
    return {row.name: row.simulated for row in rows}


@quick
@given(found=boxes, empty=st.integers(0, 5))
def test_figures_are_those_of_the_boxes(found, empty):
    figures = by_name(survey._rows(np.array(found, float), np.array([len(found)] + [0] * empty)))
    widths, heights = zip(*[box[2:] for box in found], strict=True)
    assert figures["height, median, px"] == np.median(heights)
    assert figures["width, median, px"] == np.median(widths)
    wide = sum(w > SQUARE * h for w, h in zip(widths, heights, strict=True)) / len(found)
    assert figures[f"horizontal (width > {SQUARE:g} height)"] == pytest.approx(wide)
    shapes = [value for name, value in figures.items() if name.startswith(("horizontal", "vertical", "square"))]
    assert sum(shapes) == pytest.approx(1)
    # scenes without a box are not counted
    assert figures["boxes a contaminated scene, mean"] == len(found)
    assert all(0 <= value <= 1 for name, value in figures.items() if name.startswith("centres"))


@pytest.fixture
def small_scenes(monkeypatch):
    monkeypatch.setattr(survey, "SHAPE", (80, 120))


def test_a_survey_depends_on_its_seed_alone(small_scenes):
    one, same, other = (survey_stripes(bundled_priors(), 12, seed) for seed in (1, 1, 2))
    assert one == same != other
    assert all(isinstance(row, SurveyRow) and np.isfinite(row.simulated) for row in one)


def test_scenes_without_a_stripe_are_told(small_scenes, monkeypatch):
    monkeypatch.setattr(survey, "NOTICED_DB", 99.0)
    with pytest.raises(UsageError, match="no stripe"):
        survey_stripes(bundled_priors(), 1)


def assert_like_published(rows):
    """Within bounds that the choices of the survey leave.

    Who drew the boxes, how tightly, and from how faint on is not published: sizes and counts may differ by a factor of
    two (of the highest, which few boxes decide, of three), shares by 0.15 of all boxes.
    """
    figures = {row.name: (row.published, row.simulated) for row in rows}
    for name in ("height, median, px", "height, 5 %, px", "width, median, px"):
        published, simulated = figures[name]
        assert published / 2 <= simulated <= published * 2, name
    published, simulated = figures["height, 95 %, px"]
    assert published / 3 <= simulated <= published * 3
    for name, (published, simulated) in figures.items():
        if name.startswith(("horizontal", "vertical", "square")):
            assert simulated == pytest.approx(published, abs=0.15), name
    published, simulated = figures["boxes a contaminated scene, mean"]
    assert published / 2 <= simulated <= published * 2


@pytest.mark.slow
@pytest.mark.parametrize("count", [60, 1000])
def test_simulated_stripes_are_like_published_ones(count):
    assert_like_published(survey_stripes(bundled_priors(), count, seed=3))
