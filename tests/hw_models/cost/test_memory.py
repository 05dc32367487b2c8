"""Peak of live activations: golden cases by hand, one against a board."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.memory import Lifetimes
from hw_models.lowering import lower
from hw_models.workload import OpKind, Precision, TensorKind, WorkloadBuilder

CHAIN, TWO = ([0, 1, 2], [0, 0, 1], [0, 1, 1]), np.array([1.0, 2.0, 4.0])


def test_chain_keeps_two_neighbours():
    """Value 0 is the input; kernel 0 makes 1 of it, kernel 1 makes 2 of that."""
    lives = Lifetimes.of(*CHAIN, in_place=[])
    np.testing.assert_array_equal(lives.live_bytes(TWO, 2), [1 + 2, 2 + 4])
    assert lives.peak_bytes(TWO, 2) == 6


def test_a_kernel_in_place_needs_one_of_them():
    lives = Lifetimes.of(*CHAIN, in_place=[(1, 2)])
    np.testing.assert_array_equal(lives.live_bytes(TWO, 2), [3, 4])


def test_memory_that_is_still_read_is_not_taken_over():
    """Value 1 is read again after value 2 was written."""
    lives = Lifetimes.of([0, 1, 2], [0, 0, 1], [0, 2, 2], in_place=[(1, 2)])
    np.testing.assert_array_equal(lives.live_bytes(TWO, 3), [3, 6, 6])


def test_memory_is_taken_over_once():
    """Two values are written over the same dying one: the second needs memory of its own."""
    lives = Lifetimes.of([0, 1, 2], [0, 1, 1], [1, 1, 1], in_place=[(0, 1), (0, 2)])
    np.testing.assert_array_equal(lives.live_bytes(np.ones(3), 2), [1, 2])


def test_a_chain_in_place_stays_in_one_place():
    lives = Lifetimes.of([0, 1, 2, 3], [0, 0, 1, 2], [0, 1, 2, 2], in_place=[(0, 1), (1, 2), (2, 3)])
    np.testing.assert_array_equal(lives.live_bytes(np.ones(4), 3), [1, 1, 1])


class Images:
    """A network of square images; every operator is one line."""

    def __init__(self) -> None:
        self.b = WorkloadBuilder("images")
        self.shape: dict[int, tuple[int, int]] = {}

    def image(self, channels: int, side: int, kind: TensorKind = TensorKind.ACTIVATION) -> int:
        index = self.b.tensor((1, channels, side, side), Precision.FP32, kind, batched=True)
        self.shape[index] = (channels, side)
        return index

    def conv(self, x: int, k: int, stride: int = 1, depthwise: bool = False, taps: int = 1) -> int:
        c, side = self.shape[x]
        g, out = (c if depthwise else 1), self.image(k, side // stride)
        w = self.b.tensor((k, c // g, taps, taps), Precision.FP32, TensorKind.WEIGHT, batched=False)
        dims = (1, g, k // g, c // g, side // stride, side // stride, taps, taps)
        self.b.op(OpKind.CONV, dims, [x, w], [out], target="conv", batch_dim=0, attrs={"fn": "conv"})
        return out

    def apply(self, fn: str, *ins: int) -> int:
        c, side = self.shape[ins[0]]
        out = self.image(c, side)
        self.b.op(OpKind.ELEMENTWISE, (c * side**2,), ins, [out], target=fn, batch_dim=0, attrs={"fn": fn})
        return out

    def cat(self, *ins: int) -> int:
        out = self.image(sum(self.shape[i][0] for i in ins), self.shape[ins[0]][1])
        size = (self.shape[out][0] * self.shape[out][1] ** 2,)
        self.b.op(OpKind.LAYOUT, size, ins, [out], target="cat", batch_dim=0, attrs={"fn": "cat"})
        return out

    def peak(self, output: int, lowering: str) -> float:
        return float(
            lower([self.b.finish([output])], lowering=lowering, precision="int8").peak_activation_bytes[0]
        )


def test_network_chain():
    net = Images()
    x = net.apply("relu", net.conv(net.image(3, 8, TensorKind.INPUT), 8))
    y = net.conv(x, 4)
    unit = 64
    assert net.peak(y, "compiled") == (8 + 4) * unit, "relu writes over the convolution's result"
    assert net.peak(y, "ideal") == (8 + 4) * unit
    assert net.peak(y, "eager") == (8 + 8) * unit, "relu into new memory"


def test_network_residual():
    """While the second convolution runs, its input, its output and the skip are alive; the sum goes over
    one of them.
    """
    net = Images()
    x = net.conv(net.image(3, 8, TensorKind.INPUT), 8)
    y = net.conv(net.conv(x, 16), 8)
    out = net.apply("add", x, y)
    assert net.peak(out, "compiled") == (8 + 16 + 8) * 64
    assert net.peak(out, "ideal") == (8 + 16) * 64, "the sum is accumulated over the skip, in the same kernel"


def test_network_concat():
    """Pieces in place when ideal; compiled copies them: pieces and result exist side by side."""
    net = Images()
    x = net.image(4, 8, TensorKind.INPUT)
    pieces = [net.conv(x, k) for k in (8, 16, 24)]
    out = net.conv(net.cat(*pieces), 2)
    assert net.peak(out, "ideal") == (48 + 4) * 64
    assert net.peak(out, "compiled") == (48 + 48) * 64


def test_network_branches():
    """Inception: the input of all branches lives until the last one has read it."""
    net = Images()
    x = net.image(16, 8, TensorKind.INPUT)
    left = net.conv(net.conv(x, 4), 8, taps=3)
    right = net.conv(net.conv(x, 2), 8, taps=3)
    out = net.cat(left, right)
    assert net.peak(out, "ideal") == (16 + 4 + 8) * 64
    assert net.peak(out, "compiled") == (8 + 8 + 16) * 64


def test_mobilenet_on_a_microcontroller():
    """First blocks of MobileNetV2 x 0.35 at 144 x 144, int8, which set its peak.

    Source: 308 kB of SRAM measured with TinyEngine; Lin et al., MCUNet, NeurIPS 2020 (model zoo,
        mbv2-w0.35). Tolerance 5 %:
    the measured figure holds scratch buffers, ours none.
    """
    net = Images()
    x = net.conv(net.image(3, 144, TensorKind.INPUT), 16, stride=2, taps=3)
    x = net.apply("relu6", x)
    x = net.apply("relu6", net.conv(x, 16, depthwise=True, taps=3))
    x = net.conv(x, 8)
    x = net.apply("relu6", net.conv(x, 48))
    x = net.apply("relu6", net.conv(x, 48, stride=2, depthwise=True, taps=3))
    assert net.peak(net.conv(x, 8), "ideal") == pytest.approx(308e3, rel=0.05)
