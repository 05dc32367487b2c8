"""Counts, and the same network at another batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from hw_models.errors import InputError
from hw_models.workload import counts
from hw_models.workload.from_torch import trace
from hw_models.workload.op import BITS, LOOP_DIMS, OpKind, Precision

if TYPE_CHECKING:
    import numpy as np

    from hw_models.workload.graph import Workload


class Patches(nn.Module):
    """A small vision transformer: convolution, class token, attention, mean."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 4, 4)
        self.blocks = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.embed(x).flatten(2).transpose(1, 2)).mean(1))


NETWORKS = {
    "cnn": (nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)), (3, 16, 16)),
    "patches": (Patches(), (3, 16, 16)),
    "gru": (nn.GRU(6, 5, batch_first=True), (9, 6)),
    "mlp": (nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Softmax(-1)), (3, 4, 4)),
}
_TRACED: dict[tuple[str, int], Workload] = {}


def traced(name: str, batch: int) -> Workload:
    """Trace at a batch, once."""
    if (name, batch) not in _TRACED:
        module, shape = NETWORKS[name]
        _TRACED[name, batch] = trace(module, (batch, *shape), cache=False)
    return _TRACED[name, batch]


def grown(w: Workload) -> np.ndarray:
    """Elements of the tensors that depend on the input."""
    return w.tensor_elements[w.tensor_batched]


@settings(max_examples=20, deadline=None)
@given(name=st.sampled_from(sorted(NETWORKS)), start=st.integers(1, 3), batch=st.integers(1, 5))
def test_another_batch_is_the_same_as_a_trace_at_that_batch(name: str, start: int, batch: int) -> None:
    scaled, fresh = traced(name, start).at_batch(batch), traced(name, batch)
    assert scaled.macs == fresh.macs
    assert scaled.op_dims.tolist() == fresh.op_dims.tolist()
    assert grown(scaled).tolist() == grown(fresh).tolist()
    assert scaled.op_vector_ops.sum() == pytest.approx(fresh.op_vector_ops.sum())


def test_rescaling_there_and_back_is_identity() -> None:
    w = traced("patches", 1)
    back = w.at_batch(6).at_batch(1)
    assert back.op_dims.tolist() == w.op_dims.tolist()
    assert back.tensor_dims.tolist() == w.tensor_dims.tolist()
    assert w.at_batch(1) is w


@pytest.mark.parametrize("batch", [0, -1, 1.5])
def test_a_batch_that_is_none(batch: float) -> None:
    with pytest.raises(InputError, match="expected a positive integer"):
        traced("mlp", 1).at_batch(batch)  # type: ignore[arg-type]


def test_counts_of_one_network_by_hand() -> None:
    w = traced("mlp", 1)
    assert counts.macs_by_kind(w) == {"gemm": 48 * 16}
    assert w.params == 48 * 16 + 16
    assert w.unmodelled_share() == {"output_elements": 0.0, "bytes": 0.0}
    frame = w.to_frame().set_index("kind")
    assert frame.loc["gemm", "loop_dims"] == "batch=1 m=1 k=16 c=48"
    assert frame.loc["gemm", "read_bytes"] == 4 * (48 + 48 * 16 + 16)
    assert frame.loc["gemm", "write_bytes"] == 4 * 16
    assert frame["ops"].tolist() == (2 * frame["macs"]).tolist()
    assert repr(w) == "Workload('Sequential', batch=1, 3 ops, 0.000 GMAC (0.000 GOP), 0.00 M parameters)"


def test_every_kind_and_precision_is_described() -> None:
    assert set(LOOP_DIMS) == set(OpKind)
    assert set(BITS) == set(Precision)
    assert all(len(names) <= 8 for names in LOOP_DIMS.values())
