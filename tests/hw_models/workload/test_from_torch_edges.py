"""The graph of small modules, against what a reader of their code would draw by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind, TensorKind

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


def rows(workload: Workload) -> list[tuple[str, tuple[int, ...], tuple[int, ...]]]:
    """Function, inputs and outputs of every operator."""
    return [(op.attrs["fn"], op.inputs, op.outputs) for op in workload.ops]


def producer(workload: Workload, tensor: int) -> str:
    """Function of the operator that made a tensor."""
    return next(op.attrs["fn"] for op in workload.ops if tensor in op.outputs)


class Residual(nn.Module):
    """conv, in-place relu, residual add, concatenation, view, linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.norm(self.conv(x)) + x)
        y = torch.cat([x, y], dim=1)
        return self.head(y.view(y.shape[0], -1))


def test_residual_by_hand() -> None:
    w = trace(Residual(), (1, 8, 4, 4), cache=False)
    # 0 input, 1 conv weight, 2 conv out, 3-6 gamma beta mean var, 7 norm out, 8 sum, 9 relu, 10 cat, 11 view,
    # 12-13 head weight and bias, 14 head out
    assert rows(w) == [
        ("conv", (0, 1), (2,)),
        ("batch_norm", (2, 3, 4, 5, 6), (7,)),
        ("add", (7, 0), (8,)),
        ("relu", (8,), (9,)),
        ("cat", (0, 9), (10,)),
        ("view", (10,), (11,)),
        ("linear", (11, 12, 13), (14,)),
    ]
    assert w.outputs == (14,)
    assert [op.kind for op in w.ops] == [
        OpKind.CONV,
        OpKind.NORM,
        OpKind.ELEMENTWISE,
        OpKind.ELEMENTWISE,
        OpKind.LAYOUT,
        OpKind.VIEW,
        OpKind.GEMM,
    ]
    assert w.op_module == ("conv", "norm", "", "relu", "", "", "head")
    assert w.op(3).attrs["inplace"] == 0
    assert w.tensor(11).storage == 10
    assert all(w.tensor(t).storage == t for t in range(w.n_tensors) if t != 11)
    kinds = [w.tensor(t).kind for t in range(w.n_tensors)]
    assert kinds[0] == TensorKind.INPUT
    assert [t for t, kind in enumerate(kinds) if kind == TensorKind.WEIGHT] == [1, 3, 4, 5, 6, 12, 13]
    assert [t for t in range(w.n_tensors) if not w.tensor(t).batched] == [1, 3, 4, 5, 6, 12, 13]
    assert w.macs == 8 * 8 * 9 * 16 + 256 * 10
    assert w.params == 8 * 8 * 9 + 16 + 256 * 10 + 10


def test_relu_in_place_on_a_view_reaches_readers_of_the_base() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y.view(-1).relu_()
            return y + 1

    w = trace(Net(), (1, 4), cache=False)
    assert [r[0] for r in rows(w)] == ["mul", "view", "relu", "join_writes", "add"]
    join = w.op(3)
    assert join.kind == OpKind.VIEW
    assert producer(w, join.inputs[0]) == "relu"
    assert len(join.inputs) == 1  # all of the memory was overwritten: nothing of the old contents is left
    assert producer(w, w.op(4).inputs[0]) == "join_writes"


def test_partial_write_joins_old_and_new() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = x * 2
            y[:, :2] = x[:, 2:]
            return y + 1

    w = trace(Net(), (1, 4), cache=False)
    assert [r[0] for r in rows(w)] == ["mul", "slice", "slice", "copy", "join_writes", "add"]
    join = w.op(4)
    assert [producer(w, t) for t in join.inputs] == ["mul", "copy"]
    y = w.op(0).outputs[0]
    assert {w.tensor(t).storage for t in (*join.inputs, *join.outputs)} == {y}


def test_input_overwritten_in_place_is_read_as_overwritten() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            shortcut = x
            x.relu_()
            return x + shortcut

    w = trace(Net(), (1, 4), cache=False)
    relu, add = w.ops
    assert add.inputs == relu.outputs * 2


def test_chunk_is_one_view_row_with_several_results() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            a, b = x.chunk(2, dim=1)
            return a * b

    view, mul = trace(Net(), (1, 8), cache=False).ops
    assert view.kind == OpKind.VIEW
    assert mul.inputs == view.outputs


def test_identities_leave_no_row() -> None:
    net = nn.Sequential(nn.Dropout(), nn.Identity(), nn.ReLU())
    w = trace(net, (1, 4), cache=False)
    assert rows(w) == [("relu", (0,), (1,))]


@pytest.mark.parametrize(
    ("make", "kind"),
    [(lambda x: x.transpose(1, 2).reshape(1, -1), OpKind.LAYOUT), (lambda x: x.reshape(1, -1), OpKind.VIEW)],
    ids=["copies", "free"],
)
def test_reshape_copies_only_where_it_must(make: object, kind: OpKind) -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return make(x)  # type: ignore[operator]

    last = list(trace(Net(), (1, 3, 4), cache=False).ops)[-1]
    assert last.kind == kind


def test_shared_weight_is_one_tensor() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(100, 16)
            self.head = nn.Linear(16, 100, bias=False)
            self.head.weight = self.embed.weight

        def forward(self, ids: Tensor) -> Tensor:
            return self.head(self.embed(ids))

    w = trace(Tied(), inputs=[torch.zeros((1, 7), dtype=torch.long)], cache=False)
    gather, gemm = w.ops
    assert gather.kind == OpKind.GATHER
    assert gather.attrs["weights"] == [0]
    assert gemm.inputs[1] == gather.inputs[0]
    assert w.params == 1600


def test_constants_of_the_forward_pass_do_not_grow_with_the_batch() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(16, 8)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.table(torch.arange(x.shape[1], device=x.device))

    w = trace(Positions(), (1, 16, 8), cache=False).at_batch(4)
    gather, add = w.ops
    assert gather.dims[0] == 16 * 8
    assert add.dims[0] == 4 * 16 * 8
    assert w.tensor(gather.inputs[1]).kind == TensorKind.CONSTANT
    assert add.attrs["weights"] == [1]


def test_buffers_by_what_they_are() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("scale", torch.ones(4))
            self.register_buffer("mask", torch.ones(4), persistent=False)
            self.register_buffer("index", torch.arange(4))

        def forward(self, x: Tensor) -> Tensor:
            return (x * self.scale * self.mask)[:, self.index]

    w = trace(Net(), (1, 4), cache=False)
    scale, mask, index = (op.inputs[1] for op in w.ops)
    assert [w.tensor(t).kind for t in (scale, mask, index)] == [
        TensorKind.WEIGHT,
        TensorKind.CONSTANT,
        TensorKind.CONSTANT,
    ]


def test_functional_dropout_in_training_form_is_work() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return functional.dropout(x, 0.5, training=True)

    assert [r[0] for r in rows(trace(Net(), (1, 4), cache=False))] == ["dropout"]
