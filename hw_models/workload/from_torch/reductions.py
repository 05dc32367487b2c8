"""Rules of reductions, pooling, resizing, scans and sorting."""

from __future__ import annotations

from math import log2, prod
from typing import TYPE_CHECKING, Any, Final

from hw_models.workload import vector_cost
from hw_models.workload.from_torch.rules import Call, Row, Rule, planes
from hw_models.workload.op import OpKind

if TYPE_CHECKING:
    from torch import Tensor

_SPATIAL_AXES: Final = ([2, 3], [1, 2])


def _axes(value: Any, rank: int) -> list[int]:
    """Reduced axes, counted from the front; none given means all."""
    if value is None or isinstance(value, bool) or (isinstance(value, list | tuple) and not value):
        return list(range(rank))
    given = [value] if isinstance(value, int) else list(value)
    return sorted(a % rank for a in given) if rank else []


def _reduce_row(x: Tensor, fn: str, axes: list[int], cost: float, *, batch_reduced: bool = False) -> Row:
    outputs = 1
    for axis, size in enumerate(x.shape):
        if axis not in axes:
            outputs *= size
    attrs = {
        "fn": fn,
        "axes": axes,
        "rank": x.dim(),
        "spatial_mean": fn == "mean" and x.dim() == 4 and axes in _SPATIAL_AXES,
    }
    return Row(OpKind.REDUCE, (outputs, x.numel() // max(outputs, 1)), 1 if batch_reduced else 0, cost, attrs)


def reduce(call: Call) -> Row:
    """A sum, mean, extremum or the like over some axes; the extremum of two tensors is elementwise."""
    x = call.ins[0]
    if len(call.ins) == 2:
        out = call.outs[0]
        return Row(OpKind.ELEMENTWISE, (out.numel(),), 0, 1.0, {"fn": f"{call.fn}imum", "rank": out.dim()})
    position = 2 if call.fn in {"norm", "linalg_vector_norm", "frobenius_norm"} else 1
    axes = _axes(call.arg(position, "dim"), x.dim())
    return _reduce_row(x, call.fn, axes, vector_cost.REDUCE[call.fn], batch_reduced=axes[:1] == [0])


def _windows(x: Tensor, rank: int) -> tuple[int, int]:
    """Images and channels of a pooled tensor."""
    return (x.shape[0] if x.dim() == rank + 2 else 1), x.shape[-rank - 1]


def pool(call: Call) -> Row:
    """max_pool*d and avg_pool*d: (input, kernel_size, stride, ...)."""
    x, out = call.ins[0], call.outs[0]
    rank = int(call.fn[call.fn.index("pool") + 4])
    kernel = call.args[1]
    kernel = [kernel] * rank if isinstance(kernel, int) else list(kernel) * (rank if len(kernel) == 1 else 1)
    stride = call.arg(2, "stride") or kernel
    stride = [stride] * rank if isinstance(stride, int) else list(stride) * (rank if len(stride) == 1 else 1)
    n, c = _windows(x, rank)
    attrs = {
        "fn": "max_pool" if "max" in call.fn else "avg_pool",
        "stride": list(planes(stride)),
        "rank": x.dim(),
    }
    return Row(OpKind.POOL, (n, c, *planes(out.shape[-rank:]), *planes(kernel)), 0, 1.0, attrs)


def adaptive_pool(call: Call) -> Row:
    """adaptive_*_pool*d: windows are as large as input over output; to one pixel it is a reduction."""
    x, out = call.ins[0], call.outs[0]
    rank = int(call.fn[call.fn.index("pool") + 4])
    maximum = "max" in call.fn
    sizes, swept = list(x.shape[-rank:]), list(out.shape[-rank:])
    if all(s == 1 for s in swept):
        row = _reduce_row(x, "amax" if maximum else "mean", list(range(x.dim() - rank, x.dim())), 1.0)
        row.attrs["keepdim"] = True
        return row
    kernel = [-(-s // o) for s, o in zip(sizes, swept, strict=True)]
    n, c = _windows(x, rank)
    attrs = {"fn": "max_pool" if maximum else "avg_pool", "stride": list(planes(kernel)), "rank": x.dim()}
    return Row(OpKind.POOL, (n, c, *planes(swept), *planes(kernel)), 0, 1.0, attrs)


_TAPS: Final = {"nearest": 1, "linear": 2, "bilinear": 4, "bicubic": 16, "trilinear": 8}


def resize(call: Call) -> Row:
    """Up- and downsampling; taps read per output and one multiply-add for each (none for nearest)."""
    x, out = call.ins[0], call.outs[0]
    rank = x.dim() - 2
    method = next(m for m in ("nearest", "bilinear", "bicubic", "trilinear", "linear") if m in call.fn)
    taps = _TAPS[method]
    if call.fn.endswith("aa"):  # the antialiasing filter widens with the reduction
        for s, o in zip(x.shape[2:], out.shape[2:], strict=True):
            taps *= max(1, round(s / o))
    attrs = {"fn": "resize", "mode": method, "rank": x.dim()}
    dims = (x.shape[0], x.shape[1], *planes(out.shape[-rank:]), taps)
    return Row(OpKind.RESIZE, dims, 0, 0.0 if method == "nearest" else 2.0, attrs)


def grid_sample(call: Call) -> Row:
    """Sampling at computed positions, with four taps (bilinear) or one."""
    out = call.outs[0]
    taps = 1 if call.arg(2) == 1 else 4
    dims = (out.shape[0], out.shape[1], *planes(out.shape[2:]), taps)
    return Row(OpKind.RESIZE, dims, 0, 2.0, {"fn": "grid_sample", "rank": out.dim()})


def scan(call: Call) -> Row:
    """A cumulative sum or product along one axis."""
    x = call.ins[0]
    axis = int(call.args[1]) % max(x.dim(), 1)
    steps = x.shape[axis] if x.dim() else 1
    return Row(
        OpKind.SCAN,
        (steps, x.numel() // max(steps, 1)),
        1,
        1.0,
        {"fn": call.fn, "axes": [axis], "rank": x.dim()},
    )


def sort(call: Call) -> Row:
    """A bitonic network compares log2(n) (log2(n) + 1) / 2 times per element. Source: Batcher, AFIPS 1968."""
    x = call.ins[0]
    axis = call.arg(2 if call.fn in {"topk", "kthvalue"} else 1, "dim", None if call.fn == "median" else -1)
    axes = list(range(x.dim())) if axis is None else [axis % max(x.dim(), 1)]
    width = prod(x.shape[a] for a in axes) if x.dim() else 1
    depth = log2(max(width, 2))
    attrs = {"fn": call.fn, "axes": axes, "rank": x.dim()}
    return Row(OpKind.REDUCE, (x.numel() // max(width, 1), width), 0, depth * (depth + 1) / 2, attrs)


def fft(call: Call) -> Row:
    """A Fourier transform over the axes that are its second argument."""
    larger = max((call.ins[0], call.outs[0]), key=lambda t: t.numel())
    axes = sorted(int(a) % larger.dim() for a in call.args[1])
    length = max(prod(larger.shape[a] for a in axes), 2)
    factor = vector_cost.FFT_COMPLEX if call.fn == "_fft_c2c" else vector_cost.FFT_REAL
    attrs = {"fn": "fft", "axes": axes, "rank": larger.dim()}
    return Row(OpKind.ELEMENTWISE, (larger.numel(),), 0, factor * log2(length), attrs)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


RULES: Final[dict[str, Rule]] = {
    **dict.fromkeys(vector_cost.REDUCE, reduce),
    **dict.fromkeys(
        _names("max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices"), pool
    ),
    **dict.fromkeys(_names("max_pool3d_with_indices avg_pool1d avg_pool2d avg_pool3d"), pool),
    **dict.fromkeys(
        tuple(f"{p}adaptive_{m}_pool{r}d" for p in ("", "_") for m in ("avg", "max") for r in (1, 2, 3)),
        adaptive_pool,
    ),
    **dict.fromkeys(
        _names(
            "upsample_nearest1d upsample_nearest2d upsample_nearest3d _upsample_nearest_exact1d"
            " _upsample_nearest_exact2d _upsample_nearest_exact3d upsample_linear1d upsample_bilinear2d"
            " upsample_trilinear3d upsample_bicubic2d _upsample_bilinear2d_aa _upsample_bicubic2d_aa"
        ),
        resize,
    ),
    **dict.fromkeys(("grid_sampler", "grid_sampler_2d", "grid_sampler_3d"), grid_sample),
    **dict.fromkeys(("cumsum", "cumprod", "logcumsumexp", "cummax", "cummin"), scan),
    **dict.fromkeys(("_fft_r2c", "_fft_c2r", "_fft_c2c"), fft),
    **dict.fromkeys(("sort", "argsort", "topk", "median", "kthvalue", "mode", "msort"), sort),
}
