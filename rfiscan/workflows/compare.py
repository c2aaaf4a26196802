"""Models and classical baselines on the same scenes: figures, paired differences, costs, and a picture."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rfiscan.errors import UsageError
from rfiscan.export.records import to_plain
from rfiscan.model_files.stored_model import RunnableModel
from rfiscan.truth import TruthRef
from rfiscan.workflows.evaluate import EvaluateOptions, evaluate_contenders
from rfiscan.workflows.evaluating.baseline_contenders import BaselineContender
from rfiscan.workflows.evaluating.comparison_outputs import write_comparison
from rfiscan.workflows.evaluating.comparison_scenes import choose_examples, grid_scene
from rfiscan.workflows.evaluating.contenders import Contender, ModelContender
from rfiscan.workflows.evaluating.cost import describe_machine, measure_cost
from rfiscan.workflows.evaluating.evaluation_record import evaluation_record
from rfiscan.workflows.evaluating.standings import MAIN_FIGURES, UNJUDGED, Standings, stand, verdicts
from rfiscan.workflows.reporting import SILENT, Reporter
from rfiscan.workflows.resources import peak_rss_mb, shortage_as_error

OWN_KEYS = ("figures", "threshold", "f1_best_threshold", "far_measured", "detection_curves", "precision_recall")
"""What of an evaluation's record belongs to the contender; the rest is the same for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """What decides a comparison.

    Attributes:
        evaluation: What decides the figures.
        limit: Compare on this many scenes, drawn by the seed of the evaluation; None for all.
        costs: Measure costs, too.
        examples: Draw a few scenes, too.
    """

    evaluation: EvaluateOptions = field(default_factory=EvaluateOptions)
    limit: int | None = None
    costs: bool = True
    examples: bool = True


def name_contenders(
    arguments: Sequence[str], models: Sequence[RunnableModel], options: EvaluateOptions
) -> list[ModelContender]:
    """Name models by their cards; those whose cards agree by what the user typed.

    Args:
        arguments: What the user typed, a text a model.
        models: The models.
        options: What decides their figures.

    Raises:
        UsageError: If a model was named twice, or is not calibrated for so many false stripes.
    """
    for argument, times in Counter(arguments).items():
        if times > 1:
            raise UsageError(f"the model {argument} is named {times} times")
    counts = Counter(model.name for model in models)
    for model in models:
        model.least_rank(options.far, options.false_stripes)
    return [
        ModelContender(model, model.name if counts[model.name] == 1 else argument, options.false_stripes)
        for argument, model in zip(arguments, models, strict=True)
    ]


def draw_scenes(refs: Sequence[TruthRef], limit: int | None, seed: int) -> list[TruthRef]:
    """At most ``limit`` scenes, in their order; drawn, for every k-th scene of a benchmark may be of one kind."""
    drawn = np.random.default_rng([seed, len(refs)]).permutation(len(refs))[:limit]
    return [refs[index] for index in np.sort(drawn)]


def compare(
    contenders: Sequence[Contender],
    refs: Sequence[TruthRef],
    options: CompareOptions,
    *,
    data: Path,
    out_dir: Path,
    reporter: Reporter = SILENT,
) -> dict[str, Any]:
    """Compare contenders, and write record, tables and picture.

    Args:
        contenders: Models and baselines, of different names.
        refs: Scenes, as `rfiscan.truth.find_truth` lists them.
        options: What decides the comparison.
        data: Where the scenes come from, for the record.
        out_dir: Folder of the outputs.
        reporter: Is told how far the work is.

    Returns:
        The record, which is written as ``comparison.json``, last of all outputs: scenes, `ranked_by`, `ranking`,
        `verdicts`, `contenders` (each with its figures, `cost`, `difference_to_first` and
        `unbeaten_baselines`), `differences` of all pairs, `machine`, `outputs`.

    Raises:
        UsageError: If two contenders have one name, or one is not calibrated for the false-alarm rate.
        SceneError: If a scene or its truth cannot be read.
        ModelFitError: If the truth is on another grid than a contender works on.
        OutputError: If an output cannot be written.
        ResourceError: If memory or disk do not suffice.
    """
    started_s = time.perf_counter()
    _require_distinct([contender.name for contender in contenders])
    chosen = draw_scenes(refs, options.limit, options.evaluation.seed)
    with shortage_as_error(str(data)):
        costs = _measure_costs(contenders, options, reporter)  # first: an evaluation leaves memory behind
        tallies = evaluate_contenders(contenders, chosen, options.evaluation, reporter)
        standings = stand(tallies)
        records = {
            contender.name: evaluation_record(tally, contender, far=options.evaluation.far)
            for contender, tally in zip(contenders, tallies, strict=True)
        }
        record = {
            "data": str(data),
            "requested_false_stripes": options.evaluation.false_stripes,
            **{key: value for key, value in records[contenders[0].name].items() if key not in (*OWN_KEYS, "contender")},
            **_describe_standings(standings, contenders),
            "contenders": [
                _describe(contender, contenders, standings, records[contender.name], costs.get(contender.name))
                for contender in sorted(contenders, key=lambda contender: standings.ranking.index(contender.name))
            ],
            "machine": describe_machine(),
            "peak_rss_mb": peak_rss_mb(),
            "timings_s": {"total": round(time.perf_counter() - started_s, 3)},
        }
        examples = choose_examples(chosen, options.evaluation.seed) if options.examples else []
        scenes = [grid_scene(example, contenders, options.evaluation.far) for example in examples]
        return write_comparison(to_plain(record), scenes, out_dir)


def _require_distinct(names: Sequence[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise UsageError(
                f"{times} contenders are called {name}", hint="Change the name in the card of one (model.yaml)."
            )


def _measure_costs(
    contenders: Sequence[Contender], options: CompareOptions, reporter: Reporter
) -> dict[str, dict[str, Any]]:
    costs: dict[str, dict[str, Any]] = {}
    for number, contender in enumerate(contenders if options.costs else (), 1):
        costs[contender.name] = asdict(measure_cost(contender, options.evaluation.far))
        reporter.progress("measuring costs", number, len(contenders))
    return costs


def _describe_standings(standings: Standings, contenders: Sequence[Contender]) -> dict[str, Any]:
    learned, baselines = _learned(contenders), _baselines(contenders)
    pairs = [(one, other) for one, other in standings.differences if _precedes(standings.ranking, one, other)]
    return {
        "ranked_by": standings.ranked_by,
        "ranking": standings.ranking,
        "verdicts": verdicts(standings, learned, baselines),
        "differences": [
            {
                "one": one,
                "other": other,
                "figures": {name: asdict(gap) for name, gap in standings.differences[one, other].items()},
            }
            for one, other in pairs
        ],
    }


def _describe(
    contender: Contender,
    contenders: Sequence[Contender],
    standings: Standings,
    record: dict[str, Any],
    cost: dict[str, Any] | None,
) -> dict[str, Any]:
    name, first, baselines = contender.name, standings.ranking[0], _baselines(contenders)
    is_learned = name in _learned(contenders)
    unbeaten = {
        figure: standings.unbeaten(name, baselines, figure)
        for figure in MAIN_FIGURES
        if is_learned and figure not in UNJUDGED
    }
    return {
        "name": name,
        "learned": is_learned,
        **_origin(contender),
        **{key: record[key] for key in OWN_KEYS},
        "cost": cost,
        "difference_to_first": {}
        if name == first
        else {figure: asdict(gap) for figure, gap in standings.differences[name, first].items()},
        "unbeaten_baselines": {figure: names for figure, names in unbeaten.items() if names},
    }


def _origin(contender: Contender) -> dict[str, str | None]:
    """Which model a contender is, and what computes it."""
    model = contender.model if isinstance(contender, ModelContender) else None
    return {
        "model_sha256": None if model is None else model.sha256,
        "backend": None if model is None else model.runtime.backend,
        "precision": None if model is None else model.runtime.precision,
    }


def _learned(contenders: Sequence[Contender]) -> list[str]:
    return [contender.name for contender in contenders if not isinstance(contender, BaselineContender)]


def _baselines(contenders: Sequence[Contender]) -> list[str]:
    return [contender.name for contender in contenders if isinstance(contender, BaselineContender)]


def _precedes(ranking: Sequence[str], one: str, other: str) -> bool:
    return ranking.index(one) < ranking.index(other)
