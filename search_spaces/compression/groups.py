"""Which layers of a network are compressed together: by name, or in parts of equal length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from hw_models.errors import InputError, UnknownNameError
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

Grouping = int | Mapping[str, Sequence[str]]
"""So many parts of the network, one after the other; or patterns of module paths by the group's name."""


def layers(workload: Workload) -> tuple[str, ...]:
    """Module paths of the layers that have weights to compress, in the order in which they first run.

    These are convolutions and linear layers; products of two activations are none.
    """
    found: dict[str, None] = {}
    for o in np.flatnonzero(np.isin(workload.op_kind, (OpKind.CONV, OpKind.GEMM))).tolist():
        if 1 in workload.op_attrs[o].get("weights", ()) and workload.op_module[o]:
            found.setdefault(workload.op_module[o])
    return tuple(found)


def names(grouping: Grouping) -> tuple[str, ...]:
    """Names of the groups, as the knobs carry them.

    Raises:
        InputError: no group, or one without a pattern.
    """
    if isinstance(grouping, int):
        if isinstance(grouping, bool) or grouping < 1:
            msg = f"{grouping!r} layer groups given, expected at least 1, or patterns of module paths by name"
            raise InputError(msg)
        return tuple(str(i + 1) for i in range(grouping))
    empty = next((n for n, patterns in grouping.items() if isinstance(patterns, str) or not patterns), None)
    if not grouping or empty is not None:
        msg = f"layer groups {dict(grouping)!r} given, expected module paths (with * and ?) for each name"
        raise InputError(msg)
    return tuple(grouping)


def group_of(workload: Workload, grouping: Grouping) -> dict[str, str]:
    """Group of each layer that is in one, by module path.

    Parts are cut so that each has as many layers as any other, give or take one; a network of fewer layers
    leaves the last ones empty. Where two patterns name a layer, it is in the group that comes first.

    Raises:
        UnknownNameError: a pattern that no layer of the network has.
    """
    paths = layers(workload)
    named = names(grouping)
    if isinstance(grouping, int):
        parts = np.array_split(np.arange(len(paths)), grouping)
        return {paths[i]: name for name, part in zip(named, parts, strict=True) for i in part.tolist()}
    found: dict[str, str] = {}
    for name, patterns in grouping.items():
        for pattern in patterns:
            hits = [p for p in paths if fnmatchcase(p, pattern)]
            if not hits:
                what = f"layer of the group '{name}' in '{workload.name}'"
                raise UnknownNameError(what, pattern, paths, f"its {len(paths)} layers: {_some(paths)}")
            for path in hits:
                found.setdefault(path, name)
    return found


def _some(paths: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(paths[:most])
    return f"{shown}, ..." if len(paths) > most else shown
