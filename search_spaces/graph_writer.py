"""A network written once: its workload at once and, when it is asked for, the torch module that it is of.

`OpWriter` writes rows; `GraphWriter` also keeps how each result is made, as plain data. `graph_module` turns
these steps into a `torch.fx.GraphModule`, whose trace has the same rows in every field. No torch here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from math import prod
from typing import Any, NamedTuple

from typing_extensions import override

from hw_models.workload import vector_cost
from hw_models.workload.op import OpKind, Precision, TensorKind
from search_spaces.closed_form import OpWriter, Shape

Axes = int | tuple[int, ...]


class Ref(int):
    """A tensor of the network that is being written; a plain int is a number."""

    __slots__ = ()


class Step(NamedTuple):
    """One node of the module.

    Attributes:
        outs: tensors that it makes.
        op: "input", "parameter", "constant", "layer" (of `torch.nn`), "function", "method", or "same": what
            its argument is.
        target: path of a parameter, constant or layer, else a name; a layer's class stands in `make`.
        args: tensors and plain arguments.
        kwargs: plain arguments.
        make: a layer's class and arguments, the shape of a parameter, how a constant is made.
    """

    outs: tuple[int, ...]
    op: str
    target: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = {}
    make: tuple[Any, ...] = ()


class Mark(NamedTuple):
    """How many operators, tensors and parameters there are."""

    ops: int
    tensors: int
    parameters: int


class GraphWriter(OpWriter):
    """Writes a network at batch 1; layers have paths, and a path used again shares its weights.

    Args:
        name: of the workload.
        steps: whether a module is to be made too.

    Attributes:
        steps: nodes of the module, in order; without its operators where none is to be made.
    """

    def __init__(self, name: str, *, steps: bool = True) -> None:
        super().__init__(name)
        self._keep = steps
        self.steps: list[Step] = []
        self._owned: dict[str, list[int]] = {}
        self._path = ""
        self._again = -1

    @property
    def mark(self) -> Mark:
        """How far the network is written."""
        return Mark(len(self.builder), len(self._shapes), self.parameters)

    # -- tensors ---------------------------------------------------------------------------------------

    @override
    def input(self, shape: Shape) -> Ref:
        return self._fed(Ref(super().input(shape)))

    def token_ids(self, shape: Shape) -> Ref:
        """An input of whole numbers: token ids, or places."""
        return self._fed(Ref(self._tensor(shape, TensorKind.INPUT, batched=True, precision=Precision.INT64)))

    def _fed(self, made: Ref) -> Ref:
        self.steps.append(Step((made,), "input", f"input_{made:d}"))
        return made

    def parameter(self, path: str, shape: Shape) -> Ref:
        """A trained tensor that belongs to no layer; at the same path the same one."""
        known = self._owned.get(path)
        if known is not None:
            return Ref(known[0])
        made = Ref(super().weight(shape))
        self._owned[path] = [made]
        self.steps.append(Step((made,), "parameter", path, make=shape))
        return made

    def constant(
        self, path: str, shape: Shape, value: Callable[..., Any], *args: Any, whole: bool = False
    ) -> Ref:
        """A tensor that is known beforehand: what `value` makes of `args` when a module is built."""
        known = self._owned.get(path)
        if known is not None:
            return Ref(known[0])
        made = self._fixed(shape, Precision.INT64 if whole else Precision.FP32)
        self._owned[path] = [made]
        self.steps.append(Step((made,), "constant", path, make=(value, *args)))
        return made

    def _fixed(self, shape: Shape, precision: Precision = Precision.FP32) -> Ref:
        return Ref(self._tensor(shape, TensorKind.CONSTANT, batched=False, precision=precision))

    @override
    def weight(self, shape: Shape, *, trained: bool = True) -> int:
        own = self._owned[self._path]
        if self._again < 0:
            own.append(super().weight(shape, trained=trained))
            return own[-1]
        self._again += 1
        return own[self._again - 1]

    def _enter(self, path: str) -> None:
        """Weights that are asked for from now on are those of this layer."""
        self._path, self._again = path, 0 if path in self._owned else -1
        self._owned.setdefault(path, [])

    def _layer(self, made: int, path: str, inputs: tuple[int, ...], *make: Any, **kwargs: Any) -> Ref:
        if self._keep:
            self.steps.append(Step((made,), "layer", path, inputs, kwargs, make))
        return Ref(made)

    def _call(self, made: int, fn: str, *args: Any, **kwargs: Any) -> Ref:
        if self._keep:
            self.steps.append(Step((made,), "function", fn, args, kwargs))
        return Ref(made)

    def _method(self, made: int, fn: str, *args: Any) -> Ref:
        if self._keep:
            self.steps.append(Step((made,), "method", fn, args))
        return Ref(made)

    # -- layers with weights ---------------------------------------------------------------------------

    @override
    def conv2d(
        self,
        x: int,
        path: str,
        out: int,
        kernel: int,
        *,
        stride: int = 1,
        padding: int | None = None,
        groups: int = 1,
        bias: bool = False,
    ) -> Ref:
        self._enter(path)
        pad = (kernel - 1) // 2 if padding is None else padding
        made = super().conv2d(x, path, out, kernel, stride=stride, padding=pad, groups=groups, bias=bias)
        make = ("Conv2d", self.shape(x)[1], out, kernel, stride, pad, 1, groups)
        return self._layer(made, path, (x,), *make, bias=bias)

    @override
    def batch_norm(self, x: int, path: str) -> Ref:
        self._enter(path)
        return self._layer(super().batch_norm(x, path), path, (x,), "BatchNorm2d", self.shape(x)[1])

    @override
    def linear(self, x: int, path: str, out: int, *, bias: bool = True) -> Ref:
        self._enter(path)
        made = super().linear(x, path, out, bias=bias)
        return self._layer(made, path, (x,), "Linear", self.shape(x)[-1], out, bias=bias)

    @override
    def layer_norm(self, x: int, path: str) -> Ref:
        self._enter(path)
        return self._layer(super().layer_norm(x, path), path, (x,), "LayerNorm", self.shape(x)[-1])

    def rms_norm(self, x: int, path: str) -> Ref:
        """Over the last dimension, with a scale. Source: Zhang and Sennrich, NeurIPS 2019."""
        self._enter(path)
        shape = self.shape(x)
        kinds: dict[str, Any] = {"rank": len(shape), "fn": "rms_norm", "affine": True}
        dims, ins = (prod(shape[:-1]), shape[-1]), (x, self.weight(shape[-1:]))
        made = self.op(OpKind.NORM, "rms_norm", path, dims, ins, shape, cost=vector_cost.RMS_NORM, **kinds)
        return self._layer(made, path, (x,), "RMSNorm", shape[-1], eps=1e-5)

    def group_norm(self, x: int, path: str, groups: int) -> Ref:
        """Over the channels of a group and all places, with a scale and a shift of each channel."""
        self._enter(path)
        shape = self.shape(x)
        kinds: dict[str, Any] = {"rank": len(shape), "fn": "group_norm", "groups": groups, "affine": True}
        rows = shape[0] * groups
        ins = (x, self.weight(shape[1:2]), self.weight(shape[1:2]))
        cost, dims = vector_cost.LAYER_NORM, (rows, prod(shape) // rows)
        made = self.op(OpKind.NORM, "group_norm", path, dims, ins, shape, cost=cost, **kinds)
        return self._layer(made, path, (x,), "GroupNorm", groups, shape[1])

    # -- tables of weights -----------------------------------------------------------------------------

    def embedding(self, ids: int, table: Ref) -> Ref:
        """Rows of a table (n, width) by whole numbers (...): (..., width)."""
        shape = (*self.shape(ids), self.shape(table)[1])
        kinds: dict[str, Any] = {"fn": "index", "rank": len(shape)}
        made = self.op(OpKind.GATHER, "embedding", "", (prod(shape),), (table, ids), shape, **kinds)
        return self._call(made, "embedding", ids, table)

    def linear_by(self, x: int, table: Ref) -> Ref:
        """(..., c) by a table (out, c) that has another use too: (..., out)."""
        *rows, c = shape = self.shape(x)
        out = self.shape(table)[0]
        kinds: dict[str, Any] = {"fn": "linear", "rank": len(shape), "bias": False}
        dims = (1, prod(rows), out, c)
        made = self.op(OpKind.GEMM, "linear", "", dims, (x, table), (*rows, out), batch_dim=1, **kinds)
        return self._call(made, "linear", x, table)

    # -- functions -------------------------------------------------------------------------------------

    def apply(self, fn: str, x: int) -> Ref:
        """A function of one tensor, such as "relu"."""
        return self._call(self.elementwise(fn, "", x), fn, x)

    def join(self, fn: str, a: int, b: int | float) -> Ref:
        """Two tensors, broadcast, or a tensor and a number: "add", "mul", "sub" or "div"."""
        if not isinstance(b, Ref):
            made = self._rate(fn, (a,), self.shape(a), 1.0)
            return self._call(made, fn, a, b)
        made = self._rate(fn, (a, b), broadcast(self.shape(a), self.shape(b)), vector_cost.ELEMENTWISE[fn])
        return self._call(made, fn, a, b)

    def _rate(self, fn: str, ins: Sequence[int], shape: Shape, cost: float) -> int:
        kinds: dict[str, Any] = {"fn": fn, "rank": len(shape)}
        return self.op(OpKind.ELEMENTWISE, fn, "", (prod(shape),), ins, shape, cost=cost, **kinds)

    def add(self, a: int, b: int | float) -> Ref:
        """The sum."""
        return self.join("add", a, b)

    def mul(self, a: int, b: int | float) -> Ref:
        """The product, element by element."""
        return self.join("mul", a, b)

    def softmax(self, x: int, axis: int = -1) -> Ref:
        """Along one dimension."""
        shape = self.shape(x)
        axis %= len(shape)
        kinds: dict[str, Any] = {"fn": "softmax", "axes": [axis], "rank": len(shape)}
        dims, cost = (prod(shape) // shape[axis], shape[axis]), vector_cost.SOFTMAX
        made = self.op(OpKind.SOFTMAX, "softmax", "", dims, (x,), shape, cost=cost, **kinds)
        return self._call(made, "softmax", x, axis)

    def average(self, x: int, axis: int) -> Ref:
        """Without the axis that is averaged."""
        return self._call(self.mean(x, "", axis), "mean", x, axis)

    def sum(self, x: int, axis: int) -> Ref:
        """Without the axis that is summed."""
        shape = self.shape(x)
        axis %= len(shape)
        left = (*shape[:axis], *shape[axis + 1 :])
        kinds: dict[str, Any] = {"fn": "sum", "axes": [axis], "rank": len(shape), "spatial_mean": False}
        made = self.op(OpKind.REDUCE, "sum", "", (prod(left), shape[axis]), (x,), left, cost=1.0, **kinds)
        return self._call(made, "sum", x, axis)

    def attend(self, query: int, key: int, value: int, *, causal: bool = False) -> Ref:
        """Scaled dot-product attention by head; several query heads may share a key head."""
        made = self.attention(query, key, value, "", causal=causal)
        shared = self.shape(query)[1] != self.shape(key)[1]
        return self._call(made, "attention", query, key, value, is_causal=causal, enable_gqa=shared)

    def max_pool(self, x: int, kernel: int, stride: int, padding: int) -> Ref:
        """Over windows of `kernel` x `kernel`."""
        made = self.pool2d("max_pool", x, "", kernel, stride, padding)
        return self._call(made, "max_pool2d", x, kernel, stride, padding)

    def avg_pool(self, x: int, path: str, kernel: int, stride: int, padding: int) -> Ref:
        """Over windows of `kernel` x `kernel`; what is padded does not count."""
        made = self.pool2d("avg_pool", x, path, kernel, stride, padding)
        make = ("AvgPool2d", kernel, stride, padding)
        return self._layer(made, path, (x,), *make, count_include_pad=False)

    @override
    def global_avg_pool(self, x: int, path: str) -> Ref:
        return self._layer(super().global_avg_pool(x, path), path, (x,), "AdaptiveAvgPool2d", 1)

    def flatten(self, x: int) -> Ref:
        """(N, ...) to (N, c), in the same memory."""
        shape = self.shape(x)
        return self._call(self.view("flatten", x, "", (shape[0], prod(shape[1:]))), "flatten", x, 1)

    def resize(self, x: int, size: tuple[int, int]) -> Ref:
        """To that height and width, from the nearest place."""
        n, c = self.shape(x)[:2]
        kinds: dict[str, Any] = {"fn": "resize", "mode": "nearest", "rank": 4}
        dims = (n, c, *size, 1)
        made = self.op(OpKind.RESIZE, "upsample_nearest2d", "", dims, (x,), (n, c, *size), **kinds)
        return self._call(made, "interpolate", x, size, mode="nearest")

    def grid_sample(self, x: int, places: int) -> Ref:
        """(N, C, H, W) at places (N, H', W', 2) of -1 to 1, bilinear: (N, C, H', W')."""
        shape = (*self.shape(x)[:2], *self.shape(places)[1:3])
        kinds: dict[str, Any] = {"fn": "grid_sample", "rank": 4}
        made = self.op(OpKind.RESIZE, "grid_sampler", "", (*shape, 4), (x, places), shape, cost=2.0, **kinds)
        return self._call(made, "grid_sample", x, places, align_corners=False)

    def _batch_of(self, x: Ref) -> Ref:
        """How many images (or sequences) a batch has: a number of the module, no tensor."""
        size = Ref(-1 - len(self.steps))
        self.steps.append(Step((size,), "method", "size", (x, 0)))
        return size

    def for_each(self, x: Ref, like: Ref) -> Ref:
        """(...) that is the same for all images of a batch as a view (N, ...)."""
        shape = self.shape(x)
        batch = self._batch_of(like)
        return self._method(self.view("expand", x, "", (1, *shape)), "expand", x, batch, *shape)

    def zeros(self, like: Ref, *shape: int) -> Ref:
        """(N, *shape) zeros for the images of a batch."""
        batch, made = self._batch_of(like), self._fixed((1, *shape))
        self.steps.append(Step((made,), "method", "new_zeros", (like, (batch, *shape))))
        return made

    def index_add(self, start: Ref, places: Ref, x: int) -> Ref:
        """(N, C, M) summed into `start` (N, C, S): each of the M where `places` (M) says."""
        shape = self.shape(start)
        elements = max(prod(shape), prod(self.shape(x)))
        kinds: dict[str, Any] = {"fn": "scatter_add", "rank": 3}
        ins = (start, places, x)
        made = self.op(OpKind.GATHER, "index_add", "", (elements,), ins, shape, cost=1.0, **kinds)
        return self._method(made, "index_add", start, 2, places, x)

    # -- movement --------------------------------------------------------------------------------------

    def cat(self, parts: Sequence[Ref], axis: int) -> Ref:
        """Joined along an axis."""
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(p)[axis] for p in parts)
        made = self.layout("cat", "cat", "", parts, tuple(shape))
        return self._call(made, "cat", tuple(parts), axis)

    def reshape(self, x: int, *shape: int) -> Ref:
        """Another shape of the same memory; -1: what is left."""
        return self._method(self.view("reshape", x, "", self._whole(x, shape)), "reshape", x, *shape)

    def reshape_copy(self, x: int, *shape: int) -> Ref:
        """Another shape that the order in memory does not allow: a copy."""
        return self._method(
            self.layout("reshape", "copy", "", (x,), self._whole(x, shape)), "reshape", x, *shape
        )

    def _whole(self, x: int, shape: Shape) -> Shape:
        left = prod(self.shape(x)) // -prod(shape) if -1 in shape else 0
        return tuple(left if s == -1 else s for s in shape)

    def contiguous(self, x: int) -> Ref:
        """The same in the order of its axes: a copy."""
        return self._method(self.layout("contiguous", "copy", "", (x,), self.shape(x)), "contiguous", x)

    def permute(self, x: int, *order: int) -> Ref:
        """Axes in another order, in the same memory."""
        old = self.shape(x)
        return self._method(self.view("permute", x, "", tuple(old[o] for o in order)), "permute", x, *order)

    def transpose(self, x: int, a: int, b: int) -> Ref:
        """Two axes exchanged, in the same memory."""
        shape = list(self.shape(x))
        shape[a], shape[b] = shape[b], shape[a]
        return self._method(self.view("transpose", x, "", tuple(shape)), "transpose", x, a, b)

    def narrow(self, x: int, axis: int, start: int, length: int) -> Ref:
        """A part of an axis, in the same memory."""
        shape = list(self.shape(x))
        shape[axis] = length
        return self._method(self.view("narrow", x, "", tuple(shape)), "narrow", x, axis, start, length)

    def overwrite(self, part: Ref, x: int) -> Ref:
        """Copy `x` into `part`, a view of some memory; `rejoined` is what that memory holds then."""
        made = self._tensor(self.shape(part), TensorKind.ACTIVATION, batched=True, view_of=part)
        attrs = {"fn": "copy", "rank": len(self.shape(part))}
        size, batch = (prod(self.shape(part)),), 0
        self.builder.op(OpKind.LAYOUT, size, (x,), (made,), target="aten.copy_", batch_dim=batch, attrs=attrs)
        self.steps.append(Step((), "method", "copy_", (part, x)))
        return Ref(made)

    def rejoined(self, memory: Ref, written: Ref) -> Ref:
        """A memory after a part of it was overwritten."""
        whole = self.shape(memory)
        now = self._tensor(whole, TensorKind.ACTIVATION, batched=True, view_of=memory)
        attrs = {"fn": "join_writes", "rank": len(whole)}
        ins = (memory, written)
        self.builder.op(
            OpKind.VIEW, (prod(whole),), ins, (now,), target="aten.alias", batch_dim=0, attrs=attrs
        )
        self.steps.append(Step((now,), "same", "", (memory,)))
        return Ref(now)

    def chunk(self, x: int, parts: int, axis: int) -> tuple[Ref, ...]:
        """Equal parts of an axis, in the same memory."""
        shape = list(self.shape(x))
        shape[axis] //= parts
        made = tuple(Ref(m) for m in self.views("chunk", x, "", tuple(shape), parts))
        self.steps.append(Step(made, "method", "chunk", (x, parts, axis)))
        return made


def broadcast(a: Shape, b: Shape) -> Shape:
    """Shape of an elementwise result."""
    pairs = zip_longest(reversed(a), reversed(b), fillvalue=1)
    return tuple(max(x, y) for x, y in pairs)[::-1]
