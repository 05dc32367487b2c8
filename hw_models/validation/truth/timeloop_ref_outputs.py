"""What Timeloop prints for the designs of its exercises: named, and not compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    from pathlib import Path

REASON: Final = "the layer, the mapping and the component energies behind a row are not in the file"


def predict(path: Path) -> Points:
    """No prediction: cycles and energies follow from a mapping that the file does not tell.

    Raises:
        FileError: the file is not what its name says.
    """
    frame = read_figures(
        path, texts=("design", "component"), numbers=("cycles", "energy_uJ", "fJ_per_compute")
    )
    nothing = point_frame(device=[], mode=[], quantity=[], measured=[], predicted=[])
    return Points(nothing, "tiled", skipped={REASON: len(frame)})


SETS: Final = (
    TruthSet(
        "timeloop_ref_outputs",
        "model",
        predict,
        why_not_shipped="nothing in it can be predicted: " + REASON,
    ),
)
