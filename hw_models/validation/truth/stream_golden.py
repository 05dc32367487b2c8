"""What Stream expects of layers fused over several cores: named, and not compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hw_models.validation.truth.base import Points, TruthSet, point_frame
from hw_models.validation.truth.figures import read_figures

if TYPE_CHECKING:
    from pathlib import Path

REASON: Final = (
    "layers cut into pieces and scheduled on several cores at once are not modelled: a layer runs on one core"
)


def predict(path: Path) -> Points:
    """No prediction: a schedule over several cores is another model than a layer's mapping.

    Raises:
        FileError: the file is not what its name says.
    """
    frame = read_figures(path, texts=("test", "hardware"), numbers=("total_latency",))
    nothing = point_frame(device=[], mode=[], quantity=[], measured=[], predicted=[])
    return Points(nothing, "tiled", skipped={REASON: len(frame)})


SETS: Final = (
    TruthSet("stream_golden", "model", predict, why_not_shipped=f"nothing in it is predicted: {REASON}"),
)
