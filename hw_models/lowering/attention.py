"""Attention as PyTorch runs it where no fused kernel takes it: matrix products around a softmax in FP32.

Source: PyTorch 2.5 and later, ATen/native/transformers/attention.cpp, `_scaled_dot_product_attention_math`
(half inputs are cast up, query and key scaled each, rows that are masked throughout set to zero by
`_safe_softmax`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from hw_models.cost.arrays import KernelClass
from hw_models.lowering.steps import Format, Read, Role, Step
from hw_models.workload.op import OpKind, Precision

PLAIN_RANK: Final = 4
"""Fused kernels take (batch, heads, length, width); tensors of any other rank go to the math path."""

_BOOL: Final = int(Format.OWN + Precision.BOOL)
_COPY: Final = (int(OpKind.LAYOUT), int(KernelClass.COPY), int(Role.POINTWISE))
_POINT: Final = (int(OpKind.ELEMENTWISE), int(KernelClass.ELEMENTWISE), int(Role.POINTWISE))
_PRODUCT: Final = (int(OpKind.GEMM), int(KernelClass.BATCHED_GEMM), int(Role.EXTERN))
_SOFTMAX: Final = (int(OpKind.SOFTMAX), int(KernelClass.SOFTMAX), int(Role.REDUCTION))
_ALL: Final = (int(OpKind.REDUCE), int(KernelClass.REDUCE), int(Role.REDUCTION))


@dataclass(slots=True)
class MathAttention:
    """The steps of one call and the values between them.

    Attributes:
        op, dims: operator of the workload; (batch, heads, lq, lk, d, dv).
        out, out_elements: value that it writes; batched: whether it grows with the batch.
        mixed: inputs are half and are cast up.
        first_value: number of the first value that is new.
        vector: vector operations of the softmax.
        steps: in execution order; new: (elements, `Format` code) of the values made on the way.
    """

    op: int
    dims: tuple[int, ...]
    out: int
    out_elements: int
    batched: bool
    mixed: bool
    first_value: int
    vector: float
    steps: list[Step] = field(default_factory=list)
    new: list[tuple[int, int]] = field(default_factory=list)

    def expand(self, operands: list[list[Read]], stored: list[list[Read]]) -> MathAttention:
        """The steps for query, key, value and mask, as read; `stored` are those that are parameters."""
        batch, heads, lq, lk, d, dv = self.dims
        rows, wide = batch * heads, int(Format.WIDE if self.mixed else Format.NARROW)
        n = rows * lq * lk
        reads: list[list[Read]] = []
        for k, mine in enumerate(operands[:3]):
            up = [self._step("cast", _COPY, r[2], [r], wide) for r in mine] if self.mixed else mine
            reads.append([self._step("mul", _POINT, r[2], [r], wide) for r in up] if k < 2 else up)
        product = (rows, lq, lk, d, 1, 1, 1, 1)
        scores = self._step(
            "attention", _PRODUCT, n, [*reads[0], *reads[1]], wide, product, stored[0] + stored[1]
        )
        if operands[3] or stored[3]:
            scores = self._step("add", _POINT, n, [scores, *operands[3]], wide, None, stored[3])
        weights = self._softmax(scores, n, rows * lq, wide)
        product = (rows, lq, dv, lk, 1, 1, 1, 1)
        inputs = [weights, *reads[2]]
        if self.mixed:
            sums = self._step("attention", _PRODUCT, rows * lq * dv, inputs, wide, product, stored[2])
            self._step("cast", _COPY, self.out_elements, [sums], None)
        else:
            self._step("attention", _PRODUCT, rows * lq * dv, inputs, None, product, stored[2])
        return self

    def _softmax(self, scores: Read, n: int, rows: int, wide: int) -> Read:
        """Of a row that is masked throughout all weights are 0."""
        shape = (rows, n // rows, 1, 1, 1, 1, 1, 1)
        weights = self._step("attention", _SOFTMAX, n, [scores], wide, shape)
        self.steps[-1].outer, self.steps[-1].vector = rows * 2 + self.batched, self.vector
        self.steps[-1].special = True
        masked = self._step("eq", _POINT, n, [scores], _BOOL)
        none = self._step("all", _ALL, rows, [masked], _BOOL, shape)
        self.steps[-1].size, self.steps[-1].outer = n * 2 + self.batched, rows * 2 + self.batched
        return self._step("where", _POINT, n, [none, weights], wide)

    def _step(
        self,
        name: str,
        runs: tuple[int, int, int],
        n: int,
        reads: list[Read],
        form: int | None,
        dims: tuple[int, ...] | None = None,
        weights: list[Read] | None = None,
    ) -> Read:
        """Add a step that writes `n` elements of a new value (form None: the output); how to read them."""
        value = self.out
        if form is not None:
            value = self.first_value + len(self.new)
            self.new.append((n, form))
        kind, cls, role = runs
        work = n * dims[3] if cls == KernelClass.BATCHED_GEMM and dims else n
        step = Step(
            self.op, kind, cls, role, work * 2 + self.batched, reads, weights or [], [(value, n)], name=name
        )
        step.dims = dims or (n, 1, 1, 1, 1, 1, 1, 1)
        step.wide, step.vector = self.mixed, 0.0 if cls == KernelClass.BATCHED_GEMM else float(n)
        self.steps.append(step)
        return (value, value, n)
