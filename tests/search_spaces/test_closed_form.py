"""Workloads written operator by operator: hand arithmetic, and what tells them from a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn
from torch.nn import functional

from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind, TensorKind
from search_spaces.closed_form import OpWriter, differences

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload


class Small(nn.Module):
    """A convolution without norm, both kinds of pooling, and a linear layer without a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 5, 2, padding=1)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.head = nn.Linear(8, 4, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(functional.silu(self.conv(x)))
        return self.head(functional.avg_pool2d(x, 2).mean(3).mean(2))


def written(*, out: int = 8, bias: bool = True, path: str = "conv") -> Workload:
    w = OpWriter("small")
    x = w.conv2d(w.input((1, 3, 32, 32)), path, out, 5, stride=2, padding=1, bias=bias)
    x = w.pool2d("max_pool", w.elementwise("silu", "", x), "pool", 3, 2, 1)
    x = w.pool2d("avg_pool", x, "", 2, 2)
    x = w.mean(w.mean(x, "", 3), "", 2)
    return w.finish([w.linear(x, "head", 4, bias=False)])


def test_a_written_workload_is_the_trace() -> None:
    assert differences(written(), trace(Small(), (1, 3, 32, 32), cache=False)) == []


def test_hand_arithmetic() -> None:
    workload = written()
    side = (32 + 2 - 5) // 2 + 1  # 15
    assert workload.macs == side**2 * 8 * 3 * 25 + 8 * 4
    assert workload.params == 8 * 3 * 25 + 8 + 8 * 4
    assert workload.shape(workload.outputs[0]) == (1, 4)
    pool = next(o for o in workload.ops if o.attrs["fn"] == "max_pool")
    assert pool.loop == {"n": 1, "c": 8, "oy": 8, "ox": 8, "fy": 3, "fx": 3}
    assert workload.at_batch(5).macs == 5 * workload.macs


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"out": 9},
            "op 0 aten.conv2d conv: dims (1, 1, 9, 3, 15, 15, 5, 5), traced (1, 1, 8, 3, 15, 15, 5, 5)",
        ),
        ({"bias": False}, "632 parameters, traced 640"),
        ({"path": "stem"}, "op 0 aten.conv2d conv: module 'stem', traced 'conv'"),
    ],
    ids=["width", "bias", "path"],
)
def test_differences_are_named(changed: dict[str, int | str | bool], said: str) -> None:
    found = differences(written(**changed), trace(Small(), (1, 3, 32, 32), cache=False))  # type: ignore[arg-type]
    assert any(said in line for line in found)


def test_running_statistics_are_weights_but_no_parameters() -> None:
    w = OpWriter("norm")
    workload = w.finish([w.batch_norm(w.input((1, 6, 4, 4)), "norm")])
    assert workload.params == 2 * 6
    assert (workload.tensor_kind == TensorKind.WEIGHT).sum() == 4
    assert workload.op_kind.tolist() == [OpKind.NORM]


def test_views_share_memory() -> None:
    w = OpWriter("split")
    x = w.input((1, 4, 6))
    parts = w.views("chunk", x, "", (1, 4, 2), 3)
    workload = w.finish([w.layout("cat", "cat", "", parts[::-1], (1, 4, 6))])
    assert [workload.tensor(p).storage for p in parts] == [x] * 3
    assert workload.tensor(workload.outputs[0]).storage != x


def test_a_longer_trace_is_a_difference() -> None:
    w = OpWriter("short")
    short = w.finish([w.elementwise("relu", "", w.input((1, 3, 32, 32)))])
    found = differences(short, trace(Small(), (1, 3, 32, 32), cache=False))
    assert "1 operators, traced 7" in found
