"""Which model predicts a group of rows, by what its constants may have seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from hw_models.calibration.standing import Asked, standing
from hw_models.cost.calibrated import Laws
from hw_models.cost.laws.catalogue import law, without_device, without_family
from hw_models.cost.models import calibrated_model

if TYPE_CHECKING:
    from hw_models.cost.models import CostModel
    from hw_models.validation.join import Group

FITTED: Final = "fitted"
HELD_OUT: Final = "held_out"
FAMILY_OUT: Final = "family_out"
DEVICE_OUT: Final = "device_out"


@dataclass(frozen=True)
class Assembly:
    """A cost model, and what its constants were fitted on."""

    model: CostModel
    fitted_on: str


def assembly(group: Group, split: str) -> Assembly | None:
    """The model of a group whose rows are of one fold of families; None: it never saw what is to be left out.

    Args:
        group: rows that ran in the same way, of one fold of families.
        split: one of the four above.
    """
    kind, crossfit = group.chip.main_engine.kind, left_out(group, split)
    runtime = " ".join(part for part in (group.runtime, group.runtime_version) if part) or None
    whole = law(kind, group.lowering, runtime)
    laws = Laws(runtime=runtime, layout=group.layout)
    own = standing(group.chip, Asked(group.precision, group.lowering, runtime, group.layout)).setting
    same = crossfit is not None and law(kind, group.lowering, runtime, crossfit) == whole
    if same and (own is None or split == DEVICE_OUT):
        return None
    source = getattr(whole, "source", "")
    if own is not None and split != DEVICE_OUT:
        source = f"{source}; {len(own)} networks on the chip itself"
    return Assembly(calibrated_model(replace(laws, crossfit=crossfit)), source)


def left_out(group: Group, split: str) -> str | None:
    """`crossfit` of a split, see `hw_models.cost.laws.catalogue`; None: nothing is left out."""
    if split == FAMILY_OUT:
        return without_family(str(group.rows["family"].fillna("").iloc[0]))
    return without_device(group.chip.name) if split == DEVICE_OUT else None
