"""A model as an item of a STAC catalogue: the Machine Learning Model extension, MLM 1.4.0.

https://github.com/stac-extensions/mlm, with its best practices: an item for the whole world and all years of the
mission, and assets with sizes and digests.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any

from rfiscan.export.stac import FIRST_LAUNCH, SHA256, STAC_SUFFIX, STAC_VERSION, schema_of

if TYPE_CHECKING:
    from pathlib import Path

    from rfiscan.model_files.model_card import ModelCard

MODEL_PREFIX = "model-"
ARCHITECTURES = {
    "mae": "Masked autoencoder",
    "cae": "Convolutional autoencoder",
    "cae-dense": "Convolutional autoencoder",
    "dae": "Denoising autoencoder",
    "vae": "Variational autoencoder",
}
BANDS = (("co-pol", "Power of VV or HH"), ("cross-pol", "Power of VH or HV"))
END_OF_TIME = "9999-12-31T23:59:59Z"
"""No end, as the examples of the extension write it."""

_MODEL_EXTENSIONS = ("mlm", "processing", "classification", "file")
_WEIGHTS_TYPE = "application/octet-stream; application=pytorch"
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_DIMENSIONS = ["batch", "bands", "height", "width"]
_CLASSES = [
    {"value": 0, "name": "clear", "description": "no interference"},
    {"value": 1, "name": "rfi", "description": "radio-frequency interference"},
]


def model_item_id(name: str, sha256: str) -> str:
    """Identifier of a model's item: models of one name may differ."""
    return f"{re.sub(r'[^0-9A-Za-z_.-]', '-', name)}-{sha256[:12]}"


def model_item_name(name: str, sha256: str) -> str:
    """Name of the file of a model's item."""
    return f"{MODEL_PREFIX}{model_item_id(name, sha256)}{STAC_SUFFIX}"


def model_item(card: ModelCard, folder: Path, sha256: str, parameters: int, framework_version: str) -> dict[str, Any]:
    """Describe a model as a STAC item; its files are read for their sizes and digests.

    Args:
        card: The model's card.
        folder: The model.
        sha256: Digest of its weights and card.
        parameters: Number of all its parameters.
        framework_version: Of PyTorch, which runs it.
    """
    source, optimiser = card.provenance, card.provenance.get("config", {}).get("optimiser", {})
    version = _VERSION.match(framework_version)
    properties: dict[str, Any] = {
        "title": f"rfiscan model {card.name}",
        "description": "Reconstructs Sentinel-1 scenes without radio-frequency interference; what it leaves of them is "
        "weighed into an anomaly map.",
        "datetime": None,
        "start_datetime": FIRST_LAUNCH,
        "end_datetime": END_OF_TIME,
        "gsd": card.spacing_m,
        "bands": _bands(),
        "processing:level": "L1",
        "processing:lineage": _lineage(card),
        "processing:software": {"rfiscan": str(source.get("version", "unknown"))},
        "mlm:name": _model_name(card.name),
        "mlm:architecture": ARCHITECTURES.get(card.architecture, card.architecture),
        "mlm:tasks": ["regression", "semantic-segmentation"],
        "mlm:framework": "PyTorch",
        "mlm:total_parameters": parameters,
        "mlm:pretrained": False,
        "mlm:pretrained_source": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [_input(card)],
        "mlm:output": _outputs(card),
        "mlm:hyperparameters": {"network": card.settings, "evidence": card.evidence, **optimiser},
        "rfiscan:model_sha256": sha256,
        "rfiscan:thresholds": {f"{far:g}": threshold for far, threshold in card.thresholds.items()},
        "rfiscan:validation": source.get("validation", {}),
    }
    if version is not None:
        properties["mlm:framework_version"] = version[0]
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [schema_of(name) for name in _MODEL_EXTENSIONS],
        "id": model_item_id(card.name, sha256),
        "geometry": {"type": "Polygon", "coordinates": [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]},
        "bbox": [-180, -90, 180, 90],
        "properties": properties,
        "links": [],
        "assets": _assets(folder),
    }


def _bands() -> list[dict[str, str]]:
    """Bands of the input: MLM wants them in the properties, where STAC has them only beside those of an asset."""
    return [{"name": name, "description": text} for name, text in BANDS]


def _lineage(card: ModelCard) -> str:
    unit = "Sigma nought" if card.calibrated else "Power, calibrated or not,"
    noise = " without thermal noise" if card.denoised else ""
    return f"{unit}{noise} of a ground-range product, averaged to pixels of {card.spacing_m:g} m"


def _model_name(name: str) -> str:
    """The name as the extension has it: a letter first, and nothing but letters, digits, blanks and ._- in it."""
    return "rfiscan " + (re.sub(r"[^0-9A-Za-z_.\s-]", "-", name).strip(" ._-") or "model")


def _array(card: ModelCard) -> dict[str, Any]:
    return {"shape": [-1, len(BANDS), *card.tile_shape], "dim_order": _DIMENSIONS, "data_type": "float32"}


def _input(card: ModelCard) -> dict[str, Any]:
    low, high = card.standardisation.clip
    return {
        "name": "standardised tile",
        "description": f"dB over the median of the scene's polarization, in units of {card.standardisation.scale_db:g} "
        "dB, clipped; 0 where invalid. The valid mask goes along.",
        "bands": [name for name, _ in BANDS],
        "input": _array(card),
        "value_scaling": [{"type": "clip", "minimum": low, "maximum": high}],
        "pre_processing_function": {
            "format": "python",
            "expression": "rfiscan.standardisation:Standardisation.apply",
        },
    }


def _outputs(card: ModelCard) -> list[dict[str, Any]]:
    """What the networks return, as `rfiscan.tiling.reconstruction.SceneReconstruction` has it."""
    texts = {
        "reconstruction": "the tile without interference, in standardised units",
        "spread": "expected absolute deviation of the tile from it, in standardised units",
    }
    outputs: list[dict[str, Any]] = [
        {"name": name, "description": text, "tasks": ["regression"], "result": _array(card)}
        for name, text in texts.items()
    ]
    if card.evidence is not None:
        odds = {"name": "log odds", "description": "natural log odds of interference, of each polarization"}
        function = {"format": "python", "expression": "rfiscan.scoring:score_scene"}
        outputs.append(
            {
                **odds,
                "tasks": ["semantic-segmentation"],
                "result": _array(card),
                "classification:classes": _CLASSES,
                "post_processing_function": function,
            }
        )
    return outputs


def _assets(folder: Path) -> dict[str, Any]:
    """The files of a model that exist, by what they are; the weights first."""
    described = {
        "weights": ("model.safetensors", "Weights of the autoencoder", _WEIGHTS_TYPE, ["mlm:model", "mlm:weights"]),
        "evidence": ("evidence.safetensors", "Weights of the evidence network", _WEIGHTS_TYPE, ["mlm:weights"]),
        "card": ("model.yaml", "What inference needs beside the weights", "application/yaml", ["metadata"]),
        "readme": ("README.md", "Where the model comes from", "text/markdown", ["metadata"]),
    }
    assets: dict[str, dict[str, Any]] = {}
    for key, (name, title, media_type, roles) in described.items():
        path = folder / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        assets[key] = {
            "href": path.absolute().as_uri(),
            "title": title,
            "type": media_type,
            "roles": roles,
            "file:size": len(content),
            "file:checksum": SHA256 + hashlib.sha256(content).hexdigest(),
        }
        if "mlm:weights" in roles:
            assets[key]["mlm:artifact_type"] = "safetensors"
        if "mlm:model" in roles:
            assets[key]["bands"] = _bands()
    return assets
