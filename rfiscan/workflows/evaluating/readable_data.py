"""Whether all data of an evaluation can be read, before anything is measured on them."""

from __future__ import annotations

from collections.abc import Sequence

from rfiscan.errors import SceneError
from rfiscan.scenes import open_scene
from rfiscan.truth import TruthRef, check_truth
from rfiscan.workflows.reporting import SILENT, Reporter


def require_readable(refs: Sequence[TruthRef], reporter: Reporter = SILENT) -> None:
    """Prove that every scene opens and has its truth; no more than headers and records are read.

    Args:
        refs: Scenes, as `find_truth` lists them.
        reporter: Is told how far the work is.

    Raises:
        SceneError: Names all that cannot be read.
    """
    errors: list[SceneError] = []
    for done, ref in enumerate(refs, 1):
        try:
            check_truth(ref)
            open_scene(ref.scene_path).close()
        except SceneError as error:
            errors.append(error)
        reporter.progress("checking", done, len(refs))
    if len(errors) == 1:
        raise errors[0]
    if errors:
        told = "\n".join(map(str, errors))
        raise SceneError(
            f"{len(errors)} of {len(refs)} scenes cannot be evaluated:\n{told}",
            hint="Make them anew, copy the folder whole, or leave these scenes out.",
        )
