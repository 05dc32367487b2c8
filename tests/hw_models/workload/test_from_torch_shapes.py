"""The shortcuts against torch's own shape functions: the same shape, type and strides."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from hw_models.workload.from_torch.shapes import SHORTCUTS

META = torch.device("meta")


def meta(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(shape, dtype=dtype, device=META)


LAYOUTS = {
    "plain": lambda: meta(2, 3, 4, 5),
    "permuted": lambda: meta(2, 4, 5, 3).permute(0, 3, 1, 2),
    "sliced": lambda: meta(2, 3, 4, 10)[..., ::2],
    "expanded": lambda: meta(2, 1, 4, 5).expand(2, 3, 4, 5),
}
UNARY = [
    "relu",
    "gelu",
    "silu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "exp",
    "sqrt",
    "rsqrt",
    "mish",
    "elu",
]


def described(x: Tensor) -> tuple[Any, ...]:
    return tuple(x.shape), x.dtype, x.stride(), x.device.type


def check(name: str, overload: str, *args: Any) -> bool:
    """Whether the shortcut answers; where it does, as torch does."""
    ours = SHORTCUTS[name](args)
    if ours is None:
        return False
    assert described(ours) == described(getattr(getattr(torch.ops.aten, name), overload)(*args))
    return True


@pytest.fixture(autouse=True)
def _inference() -> Any:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_tensor(name: str, layout: str) -> None:
    assert check(name, "default", LAYOUTS[layout]())
    x = LAYOUTS["plain"]()
    assert SHORTCUTS[f"{name}_"]((x,)) is x


def test_whole_numbers_are_left_to_torch() -> None:
    assert not check("sigmoid", "default", meta(3, dtype=torch.long))


@pytest.mark.parametrize(("left", "right"), list(itertools.product(LAYOUTS, repeat=2)))
@pytest.mark.parametrize("name", ["add", "mul"])
def test_arithmetic(name: str, left: str, right: str) -> None:
    answered = check(name, "Tensor", LAYOUTS[left](), LAYOUTS[right]())
    assert answered or left != right


@pytest.mark.parametrize("shape", [(5,), (1, 3, 1, 1), (2, 1, 4, 1), (1,), (4, 5), (7, 2, 3, 4, 5)])
def test_arithmetic_with_broadcasting(shape: tuple[int, ...]) -> None:
    large, other = meta(2, 3, 4, 5), meta(*shape)
    assert check("mul", "Tensor", large, other) is (len(shape) < 5)
    assert check("mul", "Tensor", other, large) is (len(shape) == 5)


def test_arithmetic_with_numbers_and_other_types() -> None:
    assert SHORTCUTS["mul"]((meta(2, 3), 2.0)) is not None
    assert not check("add", "Tensor", meta(2, 3), meta(2, 3, dtype=torch.float64))
    assert not check("add", "Tensor", meta(2, 3), meta(4, 1))


CONVS = list(itertools.product([1, 2], [0, 1], [1, 2], [1, 4]))


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), CONVS)
def test_convolution(stride: int, padding: int, dilation: int, groups: int) -> None:
    args = (
        meta(1, 8, 11, 9),
        meta(12, 8 // groups, 3, 2),
        None,
        [stride] * 2,
        [padding] * 2,
        [dilation] * 2,
        groups,
    )
    assert check("conv2d", "default", *args)


def test_convolution_left_to_torch() -> None:
    weight = meta(4, 3, 3, 3)
    assert not check("conv2d", "default", meta(1, 3, 2, 2), weight)  # too small: torch says so
    assert not check("conv2d", "default", meta(1, 5, 9, 9), weight)
    assert not check("conv2d", "default", meta(1, 3, 9, 9).to(memory_format=torch.channels_last), weight)
    assert SHORTCUTS["conv2d"]((meta(1, 3, 9, 9), weight, None, [1, 1], "same")) is None
    assert check("conv1d", "default", meta(1, 3, 9), meta(4, 3, 3))


def test_linear_norms_softmax() -> None:
    assert check("linear", "default", meta(2, 7, 5), meta(4, 5), meta(4))
    assert not check("linear", "default", meta(2, 5, 4, dtype=torch.float16), meta(4, 4))
    assert SHORTCUTS["linear"]((meta(2, 7, 6), meta(4, 5))) is None
    four = [meta(3) for _ in range(4)]
    for layout in LAYOUTS.values():
        assert check("batch_norm", "default", layout(), *four, False, 0.1, 1e-5, False)
    assert not check("batch_norm", "default", meta(2, 3, 4, 5), *four, True, 0.1, 1e-5, False)
    assert check("layer_norm", "default", meta(2, 7, 5), [5], meta(5), meta(5))
    assert SHORTCUTS["layer_norm"]((meta(2, 7, 5), [4])) is None
    assert check("softmax", "int", meta(2, 7, 5), -1)
    assert not check("softmax", "int", meta(2, 7, 5), -1, torch.float64)


def test_fused_attention_is_handed_back_transposed() -> None:
    q, v = meta(2, 3, 5, 8), meta(2, 3, 7, 6)
    out = SHORTCUTS["scaled_dot_product_attention"]((q, meta(2, 3, 7, 8), v))
    assert out is not None
    assert described(out)[:2] == ((2, 3, 5, 6), torch.float32)
    assert out.transpose(1, 2).is_contiguous()
