"""Reductions, pooling, resizing, scans and sorting."""

from __future__ import annotations

from math import log2
from typing import TYPE_CHECKING, Final

from hw_models.workload import vector_cost
from hw_models.workload.onnx_reader.node import Node, Row, product
from hw_models.workload.onnx_reader.rules.contractions import planes
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from hw_models.workload.onnx_reader.walk import Rule, Walk

_REDUCTIONS: Final = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceProd": "prod",
    "ReduceMax": "amax",
    "ReduceMin": "amin",
    "ReduceL1": "norm",
    "ReduceL2": "norm",
    "ReduceSumSquare": "norm",
    "ReduceLogSum": "sum",
    "ReduceLogSumExp": "logsumexp",
}
_SPATIAL_AXES: Final = ([2, 3], [1, 2])


def reduce(walk: Walk, node: Node) -> None:
    """A sum, mean or extremum over some axes; none given means all, unless it is told to do nothing."""
    x = node.need(0)
    axes = node.ints(1, "axes")
    if not axes and node.attrs.get("noop_with_empty_axes"):
        row = Row(OpKind.VIEW, [x.elements], {"fn": "alias", "rank": len(x.shape)})
        walk.emit(node, row, inputs=[x])
        return
    emit_reduce(walk, node, _REDUCTIONS[node.op], axes or list(range(len(x.shape))))


def emit_reduce(walk: Walk, node: Node, fn: str, axes: list[int]) -> None:
    """One reduction row; a result from which the batch itself was summed out no longer grows with it."""
    x = node.need(0)
    rank = len(x.shape)
    axes = sorted(a % rank for a in axes) if rank else []
    over_batch = axes[:1] == [0]
    if over_batch:
        for value in node.outputs:
            if value is not None:
                value.batched = False
    reduced = product([x.shape[a] for a in axes])
    spatial = fn == "mean" and rank == 4 and axes in _SPATIAL_AXES
    attrs = {"fn": fn, "axes": axes, "rank": rank, "spatial_mean": spatial}
    dims = [x.elements // max(reduced, 1), reduced]
    row = Row(OpKind.REDUCE, dims, attrs, vector_cost.REDUCE[fn], 1 if over_batch else 0)
    walk.emit(node, row, inputs=[x])


def extremum_position(walk: Walk, node: Node) -> None:
    """`ArgMax` and `ArgMin`."""
    emit_reduce(walk, node, node.op.lower(), [int(node.attrs.get("axis", 0))])


def global_pool(walk: Walk, node: Node) -> None:
    """Pooling to one pixel is a reduction over all spatial axes."""
    fn = "amax" if "Max" in node.op else "mean"
    emit_reduce(walk, node, fn, list(range(2, len(node.need(0).shape))))


def pool(walk: Walk, node: Node) -> None:
    """`MaxPool`, `AveragePool`, `LpPool` and ORT's quantised average; one operation per tap."""
    x, y = node.need(0), node.out
    kernel = node.attrs["kernel_shape"]
    if y.shape[2:] == (1,) * len(kernel) and tuple(kernel) == x.shape[2:]:
        global_pool(walk, node)
        return
    stride = node.attrs.get("strides", [1] * len(kernel))
    fn = "max_pool" if "Max" in node.op else "avg_pool"
    attrs = {"fn": fn, "stride": list(planes(stride)), "rank": len(x.shape)}
    dims = [x.shape[0], x.shape[1], *planes(y.shape[2:]), *planes(kernel)]
    walk.emit(node, Row(OpKind.POOL, dims, attrs, 1.0), inputs=[x])


_TAPS: Final = {"nearest": 1, "linear": 2, "cubic": 4}
"""Input elements per output element and axis that is resized."""
_MODES: Final = {("linear", 2): "bilinear", ("linear", 3): "trilinear", ("cubic", 2): "bicubic"}
"""Torch's name of an interpolation, by ONNX's name and the number of resized axes."""


def resize(walk: Walk, node: Node) -> None:
    """`Resize` and `Upsample`: taps read per output, one multiply-add for each (none for nearest)."""
    x, y = node.need(0), node.out
    mode = str(node.attrs.get("mode", "nearest"))
    changed = [i for i, (a, b) in enumerate(zip(x.shape, y.shape, strict=True)) if a != b]
    taps = _TAPS.get(mode, 2) ** len(changed)
    if node.attrs.get("antialias"):  # the filter widens with the reduction
        taps *= product([max(1, round(x.shape[i] / y.shape[i])) for i in changed])
    rank = len(x.shape)
    lead, spatial = (y.shape[:2], y.shape[2:]) if rank > 2 else ((1, 1), y.shape)
    attrs = {"fn": "resize", "mode": _MODES.get((mode, len(changed)), mode), "rank": rank}
    cost = 0.0 if mode == "nearest" else 2.0
    walk.emit(node, Row(OpKind.RESIZE, [*lead, *planes(spatial), taps], attrs, cost), inputs=[x])


def grid_sample(walk: Walk, node: Node) -> None:
    """`GridSample(x, grid)`: sampling at computed positions."""
    mode = str(node.attrs.get("mode", "linear")).removeprefix("bi")
    _sample(walk, node, "grid_sample", _TAPS.get(mode, 2) ** (len(node.out.shape) - 2))


def region_align(walk: Walk, node: Node) -> None:
    """`RoiAlign(x, boxes, image)`: bilinear samples, averaged; one where their number is left open."""
    _sample(walk, node, "roi_align", 4 * max(int(node.attrs.get("sampling_ratio", 0)), 1) ** 2)


def _sample(walk: Walk, node: Node, fn: str, taps: int) -> None:
    y = node.out
    dims = [*y.shape[:2], *planes(y.shape[2:]), taps]
    walk.emit(node, Row(OpKind.RESIZE, dims, {"fn": fn, "rank": len(y.shape)}, 2.0))


def cumulative(walk: Walk, node: Node) -> None:
    """`CumSum(x, axis)`."""
    x, axes = node.need(0), node.ints(1)
    axis = (axes or [0])[0] % max(len(x.shape), 1)
    steps = x.shape[axis] if x.shape else 1
    attrs = {"fn": "cumsum", "axes": [axis], "rank": len(x.shape)}
    walk.emit(node, Row(OpKind.SCAN, [steps, x.elements // max(steps, 1)], attrs, 1.0, 1), inputs=[x])


def sort(walk: Walk, node: Node) -> None:
    """`TopK`: a bitonic network compares log2(n) (log2(n) + 1) / 2 times per element.

    Source: Batcher, Sorting networks and their applications, AFIPS 1968.
    """
    x = node.need(0)
    axis = int(node.attrs.get("axis", -1)) % len(x.shape)
    width = x.shape[axis]
    depth = log2(max(width, 2))
    attrs = {"fn": "topk", "axes": [axis], "rank": len(x.shape)}
    row = Row(OpKind.REDUCE, [x.elements // max(width, 1), width], attrs, depth * (depth + 1) / 2)
    walk.emit(node, row, inputs=[x])


REDUCTION_RULES: Final[dict[tuple[str, str], Rule]] = {
    **{("", name): reduce for name in _REDUCTIONS},
    **{("", name): extremum_position for name in ("ArgMax", "ArgMin")},
    **{("", name): global_pool for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")},
    ("com.microsoft", "QLinearGlobalAveragePool"): global_pool,
    **{("", name): pool for name in ("MaxPool", "AveragePool", "LpPool")},
    ("com.microsoft", "QLinearAveragePool"): pool,
    **{("", name): resize for name in ("Resize", "Upsample")},
    ("", "GridSample"): grid_sample,
    ("", "RoiAlign"): region_align,
    ("", "CumSum"): cumulative,
    ("", "TopK"): sort,
}
