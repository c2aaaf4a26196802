"""What the schemas of STAC extensions ask of the fields that rfiscan writes.

The published schemas are not at hand without a network. These are written after them: sar 1.2.0, sat 1.0.0, projection
2.0.0, raster 2.0.0, processing 1.2.0, classification 2.0.0, file 2.1.0 and mlm 1.4.0, of
https://stac-extensions.github.io. Each says which fields with its prefix there are; what is not listed is refused.
"""

from __future__ import annotations

from typing import Any

NUMBER, TEXT, WHOLE = {"type": "number"}, {"type": "string", "minLength": 1}, {"type": "integer", "minimum": 0}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$"}
CLASSES = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["value", "name"],
        "properties": {
            "value": {"type": "integer"},
            "name": {"type": "string", "pattern": r"^[0-9A-Za-z_-]+$"},
            "description": TEXT,
            "nodata": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
}
STATISTICS = {
    "type": "object",
    "minProperties": 1,
    "properties": dict.fromkeys(("minimum", "maximum", "mean", "stddev", "valid_percent"), NUMBER),
    "additionalProperties": False,
}
DATA_TYPE = {"enum": ["int8", "int16", "int32", "uint8", "uint16", "uint32", "float32", "float64"]}
BANDS = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "required": ["name", "data_type", "nodata"],
        "properties": {
            "name": TEXT,
            "data_type": DATA_TYPE,
            "nodata": {"anyOf": [NUMBER, {"enum": ["nan", "inf", "-inf"]}]},
            "unit": TEXT,
            "statistics": STATISTICS,
        },
        "additionalProperties": False,
    },
}
EXPRESSION = {
    "type": "object",
    "required": ["format", "expression"],
    "properties": {"format": TEXT},
}
PROJ = {
    "proj:code": {"anyOf": [{"type": "string", "pattern": "^[A-Z]+:[0-9A-Za-z]+$"}, {"type": "null"}]},
    "proj:shape": {"type": "array", "items": WHOLE, "minItems": 2, "maxItems": 2},
    "proj:transform": {"type": "array", "items": NUMBER, "minItems": 6, "maxItems": 9},
}
FIELDS: dict[str, dict[str, Any]] = {
    "sar:frequency_band": {"enum": ["P", "L", "S", "C", "X", "Ku", "K", "Ka"]},
    "sar:center_frequency": NUMBER,
    "sar:polarizations": {"type": "array", "items": {"enum": ["HH", "VV", "HV", "VH"]}, "uniqueItems": True},
    "sar:pixel_spacing_azimuth": NUMBER,
    "sar:pixel_spacing_range": NUMBER,
    "sar:observation_direction": {"enum": ["left", "right"]},
    "sar:instrument_mode": TEXT,
    "sat:orbit_state": {"enum": ["ascending", "descending", "geostationary"]},
    "sat:absolute_orbit": {"type": "integer", "minimum": 1},
    "sat:relative_orbit": {"type": "integer", "minimum": 1},
    "sat:anx_datetime": TIME,
    **PROJ,
    "raster:sampling": {"enum": ["area", "point"]},
    "raster:spatial_resolution": NUMBER,
    "processing:level": {"type": "string", "pattern": r"^(RAW|L\d[A-Z]?)$"},
    "processing:lineage": TEXT,
    "processing:software": {"type": "object", "additionalProperties": TEXT},
    "processing:expression": EXPRESSION,
    "classification:classes": CLASSES,
    "file:size": WHOLE,
    "file:checksum": {"type": "string", "pattern": "^[a-f0-9]+$"},
}
TASKS = {"type": "array", "uniqueItems": True, "items": {"enum": ["regression", "semantic-segmentation"]}}
ARRAY = {
    "type": "object",
    "required": ["shape", "dim_order", "data_type"],
    "properties": {
        "shape": {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": -1}},
        "dim_order": {"type": "array", "uniqueItems": True, "items": {"type": "string", "pattern": "^[a-z_-]+$"}},
        "data_type": DATA_TYPE,
    },
}
CLIP = {
    "type": "object",
    "required": ["type", "minimum", "maximum"],
    "properties": {"type": {"const": "clip"}, "minimum": NUMBER, "maximum": NUMBER},
}
MLM: dict[str, dict[str, Any]] = {
    "mlm:name": {"type": "string", "pattern": r"^[a-zA-Z][a-zA-Z0-9_.\-\s]+[a-zA-Z0-9]$"},
    "mlm:architecture": TEXT,
    "mlm:tasks": TASKS,
    "mlm:framework": {"const": "PyTorch"},
    "mlm:framework_version": {"type": "string", "pattern": r"^\d+\.\d+\.\d+$"},
    "mlm:total_parameters": WHOLE,
    "mlm:pretrained": {"type": "boolean"},
    "mlm:pretrained_source": {"type": "null"},
    "mlm:accelerator_constrained": {"type": "boolean"},
    "mlm:input": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "bands", "input"],
            "properties": {
                "name": TEXT,
                "description": TEXT,
                "bands": {"type": "array", "items": TEXT},
                "input": ARRAY,
                "value_scaling": {"type": "array", "minItems": 1, "items": CLIP},
                "pre_processing_function": EXPRESSION,
            },
        },
    },
    "mlm:output": {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["name", "tasks", "result"],
            "properties": {
                "name": TEXT,
                "description": TEXT,
                "tasks": TASKS,
                "result": ARRAY,
                "classification:classes": CLASSES,
                "post_processing_function": EXPRESSION,
            },
        },
    },
    "mlm:hyperparameters": {
        "type": "object",
        "minProperties": 1,
        "patternProperties": {"^[0-9a-zA-Z_.-]+$": True},
        "additionalProperties": False,
    },
    "mlm:artifact_type": TEXT,
}
PREFIXED = "^(sar|sat|proj|raster|processing|classification|file|mlm):"


def fields_of(known: dict[str, Any], **rules: Any) -> dict[str, Any]:
    """An object whose fields with a prefix of an extension are known ones."""
    return {"type": "object", "properties": known, "patternProperties": {PREFIXED: True}, **rules} | {
        "propertyNames": {"anyOf": [{"enum": list(known)}, {"not": {"pattern": PREFIXED}}]}
    }


def item_of(properties: dict[str, Any], assets: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["properties", "assets", "stac_extensions"],
        "properties": {"properties": properties, "assets": {"type": "object", "additionalProperties": assets}},
    }


SCENE = item_of(
    fields_of(
        FIELDS,
        required=["sar:frequency_band", "sar:polarizations", "proj:code", "processing:level", "processing:software"],
    ),
    {
        **fields_of({**FIELDS, "bands": BANDS}, required=["href"]),
        "if": {"properties": {"type": {"const": "image/tiff; application=geotiff; profile=cloud-optimized"}}},
        "then": {"required": ["bands", "raster:sampling", "raster:spatial_resolution", "file:size", "file:checksum"]},
    },
)
MODEL = item_of(
    fields_of(
        {**FIELDS, **MLM},
        required=["bands", "mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input", "mlm:output"],
    ),
    {
        **fields_of({**FIELDS, **MLM}, required=["href", "roles", "file:size", "file:checksum"]),
        "if": {"properties": {"roles": {"contains": {"const": "mlm:model"}}}},
        "then": {"required": ["mlm:artifact_type"]},
    },
)
