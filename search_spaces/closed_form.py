"""A workload written operator by operator, row for row what a trace of the same module would record.

Building and tracing a module takes a tenth of a second, and a search asks for thousands of workloads. A
space that knows its operators writes them here instead. The methods bear torch's names, the paths are those
of the module's children, and the rows (kinds, loop dimensions, costs, attributes, tensors, views) are what
`hw_models.workload.from_torch` records, so a test can hold the one against the other (`differences`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.workload import vector_cost
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

Shape = tuple[int, ...]


class OpWriter:
    """Writes the operators of a network at batch 1 in fp32; every method gives the tensor it makes.

    Args:
        name: of the workload.

    Attributes:
        parameters: elements of weights so far, as the module's `parameters()` would count them.
    """

    def __init__(self, name: str) -> None:
        self.builder = WorkloadBuilder(name)
        self.parameters = 0
        self._shapes: list[Shape] = []
        self._batched: list[bool] = []
        self._kinds: list[TensorKind] = []

    def shape(self, tensor: int) -> Shape:
        """Shape of a tensor that was made here."""
        return self._shapes[tensor]

    def finish(self, outputs: Sequence[int], meta: Mapping[str, Any] | None = None) -> Workload:
        """The workload of all that was written."""
        facts = {"source": "closed form", "parameters": self.parameters, **(meta or {})}
        return self.builder.finish(outputs, facts)

    # -- tensors ---------------------------------------------------------------------------------------

    def input(self, shape: Shape) -> int:
        """An input of the network, (1, ...)."""
        return self._tensor(shape, TensorKind.INPUT, batched=True)

    def weight(self, shape: Shape, *, trained: bool = True) -> int:
        """A weight; `trained` is False for running statistics, which are no parameters."""
        self.parameters += prod(shape) if trained else 0
        return self._tensor(shape, TensorKind.WEIGHT, batched=False)

    def _tensor(
        self,
        shape: Shape,
        kind: TensorKind,
        *,
        batched: bool,
        view_of: int | None = None,
        precision: Precision = Precision.FP32,
    ) -> int:
        self._shapes.append(shape)
        self._batched.append(batched)
        self._kinds.append(kind)
        return self.builder.tensor(shape, precision, kind, batched=batched, view_of=view_of)

    def op(
        self,
        kind: OpKind,
        target: str,
        path: str,
        dims: Shape,
        inputs: Sequence[int],
        shape: Shape,
        *,
        cost: float = 0.0,
        batch_dim: int = 0,
        **attrs: Any,
    ) -> int:
        """A row of one result in memory of its own; for operators without a method."""
        static = [at for at, tensor in enumerate(inputs) if not self._batched[tensor]]
        if static:
            attrs["weights"] = static
        batched = len(static) < len(inputs)
        made = self._tensor(shape, TensorKind.ACTIVATION, batched=batched)
        self.builder.op(
            kind,
            dims,
            inputs,
            (made,),
            target=f"aten.{target}",
            module=path,
            batch_dim=batch_dim if batched else -1,
            vector_cost=cost,
            attrs=attrs,
        )
        return made

    # -- contractions ----------------------------------------------------------------------------------

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
    ) -> int:
        """(N, C, H, W) to (N, out, H', W'); without `padding`, stride 1 keeps the size."""
        n, c_in, *size = self._shapes[x]
        pad = (kernel - 1) // 2 if padding is None else padding
        height, width = ((side + 2 * pad - kernel) // stride + 1 for side in size)
        inputs = [x, self.weight((out, c_in // groups, kernel, kernel))]
        if bias:
            inputs.append(self.weight((out,)))
        return self.op(
            OpKind.CONV,
            "conv2d",
            path,
            (n, groups, out // groups, c_in // groups, height, width, kernel, kernel),
            inputs,
            (n, out, height, width),
            fn="conv",
            stride=[stride, stride],
            dilation=[1, 1],
            padding=[pad, pad],
            transposed=False,
            bias=bias,
            rank=4,
        )

    def conv_bn_act(
        self,
        x: int,
        path: str,
        out: int,
        kernel: int,
        activation: str | None,
        *,
        stride: int = 1,
        groups: int = 1,
    ) -> int:
        """The rows of `vision.architectures.layers.ConvBnAct`."""
        y = self.conv2d(x, f"{path}.conv", out, kernel, stride=stride, groups=groups)
        y = self.batch_norm(y, f"{path}.norm")
        return y if activation is None else self.elementwise(activation, f"{path}.act", y)

    def linear(self, x: int, path: str, out: int, *, bias: bool = True) -> int:
        """(..., c) to (..., out)."""
        *rows, c = shape = self._shapes[x]
        inputs = [x, self.weight((out, c))]
        if bias:
            inputs.append(self.weight((out,)))
        dims = (1, prod(rows), out, c)
        kinds: dict[str, Any] = {"fn": "linear", "rank": len(shape), "bias": bias}
        return self.op(OpKind.GEMM, "linear", path, dims, inputs, (*rows, out), batch_dim=1, **kinds)

    def attention(self, query: int, key: int, value: int, path: str, *, causal: bool = False) -> int:
        """Queries (B, heads, L, d), keys (B, heads, S, d), values (B, heads, S, dv) to (B, heads, L, dv)."""
        batch, heads, length, d = self._shapes[query]
        kv_heads, context, dv = self._shapes[key][1], self._shapes[key][2], self._shapes[value][3]
        return self.op(
            OpKind.ATTENTION,
            "scaled_dot_product_attention",
            path,
            (batch, heads, length, context, d, dv),
            (query, key, value),
            (batch, heads, length, dv),
            cost=vector_cost.SOFTMAX / max(d * dv, 1),
            fn="attention",
            mask=False,
            causal=causal,
            rank=4,
            kv_heads=kv_heads,
        )

    # -- vector work -----------------------------------------------------------------------------------

    def batch_norm(self, x: int, path: str) -> int:
        """With running statistics: a scale and a shift of each channel."""
        shape = self._shapes[x]
        channels = (shape[1],)
        own = [self.weight(channels), self.weight(channels)]
        own += [self.weight(channels, trained=False), self.weight(channels, trained=False)]
        rows = shape[0] * shape[1]
        return self.op(
            OpKind.NORM,
            "batch_norm",
            path,
            (rows, prod(shape) // rows),
            (x, *own),
            shape,
            cost=vector_cost.BATCH_NORM,
            rank=len(shape),
            fn="batch_norm",
            statistics="running",
        )

    def layer_norm(self, x: int, path: str) -> int:
        """Over the last dimension, with a scale and a shift."""
        shape = self._shapes[x]
        width = shape[-1]
        return self.op(
            OpKind.NORM,
            "layer_norm",
            path,
            (prod(shape[:-1]), width),
            (x, self.weight((width,)), self.weight((width,))),
            shape,
            cost=vector_cost.LAYER_NORM,
            rank=len(shape),
            fn="layer_norm",
            affine=True,
        )

    def elementwise(self, fn: str, path: str, *inputs: int) -> int:
        """A function of `vector_cost.ELEMENTWISE`; the result has the shape of the first input."""
        shape = self._shapes[inputs[0]]
        cost = vector_cost.ELEMENTWISE[fn]
        kinds: dict[str, Any] = {"fn": fn, "rank": len(shape)}
        return self.op(OpKind.ELEMENTWISE, fn, path, (prod(shape),), inputs, shape, cost=cost, **kinds)

    def global_avg_pool(self, x: int, path: str) -> int:
        """(1, C, H, W) to (1, C, 1, 1) by `nn.AdaptiveAvgPool2d(1)`."""
        n, c, height, width = self._shapes[x]
        return self.op(
            OpKind.REDUCE,
            "adaptive_avg_pool2d",
            path,
            (n * c, height * width),
            (x,),
            (n, c, 1, 1),
            cost=1.0,
            fn="mean",
            axes=[2, 3],
            rank=4,
            spatial_mean=True,
            keepdim=True,
        )

    def mean(self, x: int, path: str, axis: int) -> int:
        """Without the axis that is averaged."""
        shape = self._shapes[x]
        left = (*shape[:axis], *shape[axis + 1 :])
        dims = (prod(left), shape[axis])
        kinds: dict[str, Any] = {"fn": "mean", "axes": [axis], "rank": len(shape), "spatial_mean": False}
        return self.op(OpKind.REDUCE, "mean", path, dims, (x,), left, cost=1.0, **kinds)

    def pool2d(self, fn: str, x: int, path: str, kernel: int, stride: int, padding: int = 0) -> int:
        """`fn`: "max_pool" or "avg_pool"."""
        n, c, *size = self._shapes[x]
        height, width = ((side + 2 * padding - kernel) // stride + 1 for side in size)
        dims, shape = (n, c, height, width, kernel, kernel), (n, c, height, width)
        kinds: dict[str, Any] = {"fn": fn, "stride": [stride, stride], "rank": 4}
        return self.op(OpKind.POOL, f"{fn}2d", path, dims, (x,), shape, cost=1.0, **kinds)

    # -- movement --------------------------------------------------------------------------------------

    def view(self, fn: str, x: int, path: str, shape: Shape) -> int:
        """The same memory in another shape: "flatten", "transpose", "permute", "view", "select" ..."""
        return self.views(fn, x, path, shape, 1)[0]

    def views(self, fn: str, x: int, path: str, shape: Shape, count: int) -> list[int]:
        """Several views of one shape made by one operator: "unbind", "split", "chunk"."""
        batched = self._batched[x]
        kind = TensorKind.ACTIVATION if batched else self._kinds[x]
        made = [self._tensor(shape, kind, batched=batched, view_of=x) for _ in range(count)]
        self.builder.op(
            OpKind.VIEW,
            (count * prod(shape),),
            (x,),
            made,
            target=f"aten.{fn}",
            module=path,
            batch_dim=0 if batched else -1,
            attrs={"fn": fn, "rank": len(shape)},
        )
        return made

    def layout(self, target: str, fn: str, path: str, inputs: Sequence[int], shape: Shape) -> int:
        """Elements moved to new memory: "cat", "pad", and "copy" by `reshape` or `contiguous`."""
        return self.op(OpKind.LAYOUT, target, path, (prod(shape),), inputs, shape, fn=fn, rank=len(shape))


_ARRAYS: Final = (
    "op_kind",
    "op_dims",
    "op_batch_dim",
    "op_vector_cost",
    "op_modelled",
    "in_ptr",
    "in_tensor",
    "out_ptr",
    "out_tensor",
    "tensor_ptr",
    "tensor_dims",
    "tensor_precision",
    "tensor_kind",
    "tensor_batched",
    "tensor_storage",
)


def differences(written: Workload, traced: Workload) -> list[str]:
    """Where a written workload is not the traced one, row by row; empty if it is the same in every field."""
    found = []
    for at, (mine, theirs) in enumerate(zip(written.ops, traced.ops, strict=False)):
        for field in ("kind", "target", "module", "dims", "vector_ops", "attrs", "inputs", "outputs"):
            here, there = getattr(mine, field), getattr(theirs, field)
            if here != there:
                found.append(f"op {at} {theirs.target} {theirs.module}: {field} {here!r}, traced {there!r}")
    found += [f"{n} differs" for n in _ARRAYS if not np.array_equal(getattr(written, n), getattr(traced, n))]
    if len(written) != len(traced):
        found.append(f"{len(written)} operators, traced {len(traced)}")
    if (written.params, written.outputs) != (traced.params, traced.outputs):
        found.append(f"{written.params} parameters, traced {traced.params}")
    return found
