"""The card of a model on disk, and where models are: what can be said of a model without loading its network."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from rfiscan.errors import ModelError
from rfiscan.model_files.model_card import ALONE, ModelCard, NullCalibration
from rfiscan.scoring import ScoringSettings
from rfiscan.standardisation import Standardisation

DEFAULT_MODEL = "cae"
CALIBRATION = ("thresholds", "stripe_ranks", "scene_scores")
"""Keys of a card that are those of a `NullCalibration`, too."""
WEIGHTS, EVIDENCE, CARD = "model.safetensors", "evidence.safetensors", "model.yaml"


def bundled_models_dir() -> Path:
    """Folder of the models that come with rfiscan: inside the installed package, or at the top of a checkout."""
    package = Path(str(files("rfiscan")))
    installed = package / "models"
    return installed if installed.is_dir() else package.parent / "models"


def model_folder(name_or_path: str | Path) -> Path:
    """Find the folder of a model.

    Args:
        name_or_path: A bundled model's name ("cae", "mae"), which wins over a folder of that name, or a model's folder.

    Raises:
        ModelError: If there is no such model.
    """
    bundled = {path.parent.name: path.parent for path in sorted(bundled_models_dir().glob(f"*/{CARD}"))}
    folder = bundled.get(str(name_or_path), Path(name_or_path))
    if not folder.exists():
        hint = f"Name a bundled model ({', '.join(bundled)}) or the folder of a trained one."
        raise ModelError(f"no model {str(name_or_path)!r}", hint=hint)
    if not (folder / CARD).is_file() or not (folder / WEIGHTS).is_file():
        raise ModelError(f"{folder} is not a model", hint=f"A model is a folder that holds {CARD} and {WEIGHTS}.")
    return folder


def read_card(folder: Path) -> ModelCard:
    """Read the card of a model.

    Args:
        folder: The model.

    Raises:
        ModelError: If the card is missing or damaged.
    """
    path = folder / CARD
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        standardisation, scoring, alone = values.pop("standardisation"), values.pop("scoring"), values.pop("alone", {})
        return ModelCard(
            standardisation=Standardisation(
                scale_db=float(standardisation["scale_db"]), clip=tuple(standardisation["clip"])
            ),
            scoring=ScoringSettings(**{**scoring, "smooth_px": tuple(scoring["smooth_px"])}),
            alone={name: NullCalibration(**_numbers(alone[name])) for name in ALONE if name in alone},
            **_numbers({name: values.pop(name) for name in CALIBRATION if name in values}),
            tile_shape=tuple(values.pop("tile_shape")),
            provenance=values.pop("provenance"),  # the last one: a file that ends before it was cut short
            **values,
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path} is not a model card: {' '.join(str(error).split())[:200]}") from error


def _numbers(calibration: Mapping[str, Any]) -> dict[str, Any]:
    """A calibration as it is stored, its numbers as numbers: YAML reads some of them as words."""
    ranks = calibration.get("stripe_ranks", {})
    return {
        "thresholds": _pairs(calibration["thresholds"]),
        "stripe_ranks": {float(far): _pairs(at) for far, at in ranks.items()},
        "scene_scores": _pairs(calibration.get("scene_scores", {})),
    }


def _pairs(stored: Mapping[Any, Any]) -> dict[float, float]:
    return {float(key): float(value) for key, value in stored.items()}
