"""How a contraction is laid on the MAC array: which loops lie along it, which one streams through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from hw_models.cost.tiled.problem import FX, FY, LOOPS, OX, OY, C, G, K, N
from hw_models.errors import InputError

if TYPE_CHECKING:
    from hw_models.cost.tiled.nest.machine import Build

Family = Literal["weight", "output", "input"]
GROUP_LOOPS: Final = {"group": (G,), "reduction": (C, FY, FX), "filter": (K,), "pixel": (N, OY, OX)}
"""Loops by the operands that they index: of the four groups the weights lack `pixel`, the inputs `filter`,
the outputs `reduction`, and all have `group`."""
GROUPS: Final = tuple(GROUP_LOOPS)
GROUP, REDUCTION, FILTER, PIXEL = range(4)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way to lay a contraction on the array. Cycles of a tile: product of `steps` over the four groups.

    Steps of a group: `max(ceil(extent / width), least) + fill`, the extent being the product of the tile's
    loops of that group; loops that `apart` names are not flattened along the array but run one by one.

    Attributes:
        family: the operand that stays in the array.
        width: per group, units of the array that lie along it.
        least: per group, steps that a fold takes at least.
        fill: per group, steps that a fold loses to filling and draining.
        apart: loops that are not spread though their group is.
        skew: cycles lost once, before the first and after the last fold.
        name: for people.
    """

    family: Family
    width: tuple[int, int, int, int]
    least: tuple[int, int, int, int]
    fill: tuple[int, int, int, int]
    apart: frozenset[int]
    skew: int
    name: str


AXES: Final[dict[Family, tuple[int, int, int]]] = {
    "weight": (REDUCTION, FILTER, PIXEL),
    "output": (PIXEL, FILTER, REDUCTION),
    "input": (REDUCTION, PIXEL, FILTER),
}
"""Per stationary operand the groups along rows and columns, and the one that streams.

Source: Samajdar et al., SCALE-Sim, ISPASS 2020, section III."""


def systolic_layouts(family: Family, build: Build) -> tuple[Layout, ...]:
    """Layouts of a systolic array; several arrays split filters, pixels or groups, whichever is best.

    A fold streams its operand through the array. Where the array loads the next fold meanwhile
    (`array_buffers` 2), a fold takes at least `rows` steps and the skew is paid once; else each fold pays it.
    Source: closed forms of SCALE-Sim v3 and of TPU v1, see `hw_models.cost.tiled.systolic`.
    """
    row_group, col_group, stream = AXES[family]
    rows, cols = build.rows, build.cols
    skew = (rows if family == "output" else 2 * rows) + cols - 2
    splits = (FILTER, PIXEL, GROUP) if build.count > 1 else (FILTER,)
    found = []
    for split in splits:
        width, least, fill = [1, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]
        width[row_group] *= rows
        width[col_group] *= cols
        width[split] *= build.count
        (least if build.overlapped else fill)[stream] = rows if build.overlapped else skew
        named = f"{GROUPS[row_group]} x {GROUPS[col_group]}"
        found.append(
            Layout(
                family,
                tuple(width),  # type: ignore[arg-type]
                tuple(least),  # type: ignore[arg-type]
                tuple(fill),  # type: ignore[arg-type]
                _apart(build, (row_group, col_group)),
                skew if build.overlapped else 0,
                f"{named}, arrays over {GROUPS[split]}" if build.count > 1 else named,
            )
        )
    return tuple(found)


def vector_layouts(build: Build) -> tuple[Layout, ...]:
    """Layouts of independent lanes, each of which sums one output: over filters, pixels or groups."""
    lanes = build.rows * build.cols * build.count
    allowed: tuple[int, ...] = (FILTER, PIXEL, GROUP)
    if build.unroll:
        loops = {LOOPS.index(name) for axis in build.unroll for name in axis}
        allowed = tuple(g for g in allowed if loops & set(GROUP_LOOPS[GROUPS[g]]))
        if len(allowed) != 1 or loops & set(GROUP_LOOPS["reduction"]):
            raise InputError(
                f"dataflow.unroll {build.unroll} of a vector unit; expected loops of one of "
                "(k), (n, oy, ox), (g): the lanes are independent and sum one output each"
            )
    found = []
    for group in allowed:
        width = [1, 1, 1, 1]
        width[group] = lanes
        apart = _apart(build, (group,))
        found.append(
            Layout("output", tuple(width), (0,) * 4, (0,) * 4, apart, 0, f"lanes over {GROUPS[group]}")  # type: ignore[arg-type]
        )
    return tuple(found)


def _apart(build: Build, spread: tuple[int, ...]) -> frozenset[int]:
    """Loops of the spread groups that `unroll` leaves out; empty where it says nothing.

    Raises:
        InputError: it names a loop that cannot lie along that axis.
    """
    if not build.unroll:
        return frozenset()
    legal = [set(GROUP_LOOPS[GROUPS[g]]) for g in spread]
    named = [{LOOPS.index(name) for name in axis} for axis in build.unroll]
    for axis, loops in enumerate(named):
        if axis >= len(legal) or not loops <= legal[axis]:
            expected = ", ".join(LOOPS[i] for i in sorted(legal[axis])) if axis < len(legal) else "no loop"
            shown = ", ".join(LOOPS[i] for i in sorted(loops))
            raise InputError(
                f"dataflow.unroll puts {shown} along axis {axis} of the array; expected {expected}"
            )
    return frozenset().union(*legal) - frozenset().union(*named)
