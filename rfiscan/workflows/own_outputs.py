"""What rfiscan itself wrote into a folder, and so is no scene, though it has the suffix of one."""

from __future__ import annotations

import re
from pathlib import Path

_OF_SCENE = re.compile(
    r"_(?:error|score|mask|truth|stripes|interference)(?:_geocoded)?\.tif$|_quicklook\.png$", re.IGNORECASE
)
_PICTURES = (
    (re.compile(r"(?:detection_curves|precision_recall|false_alarms)\.png"), "figures.csv"),  # of evaluate
    (re.compile(r"grid\.png"), "comparison.csv"),  # of compare
    (re.compile(r"(?:latent|training)\.png"), "latent.csv"),  # of report
    (re.compile(r"sweep\.png"), "sweep.csv"),
    (re.compile(r"importance\.png"), "search.json"),  # of tune
    (re.compile(r"step_\d{6,}\.png"), "../config.yaml"),  # of train, in the folder of pictures
)
"""Names of pictures, and what lies beside each, where rfiscan drew it: a user's own may have such a name, too. It is
what is written before the picture, and so is there even if the command was interrupted."""


def is_own_output(path: Path) -> bool:
    """Tell whether rfiscan wrote a file."""
    return bool(_OF_SCENE.search(path.name)) or any(
        pattern.fullmatch(path.name) and (path.parent / companion).is_file() for pattern, companion in _PICTURES
    )
