"""What `trace` does with a module, its inputs, its outputs, and with what it cannot trace."""

from __future__ import annotations

import copy
import threading
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from hw_models.errors import InputError, TraceError
from hw_models.workload.from_torch import trace
from hw_models.workload.op import OpKind, Precision


class Call(nn.Module):
    """A module that is one call."""

    def __init__(self, function: Any) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def test_the_module_is_left_as_it_is() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5)).train()
    net[0].register_forward_hook(lambda *_: None)
    before = copy.deepcopy(net.state_dict())
    modes = [m.training for m in net.modules()]
    hooks = dict(net[0]._forward_hooks)
    trace(net, (1, 3, 8, 8), cache=False)
    assert [m.training for m in net.modules()] == modes
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert all(p.requires_grad and not p.is_meta for p in net.parameters())
    assert dict(net[0]._forward_hooks) == hooks
    assert torch.isfinite(net(torch.zeros(2, 3, 8, 8))).all()


def test_state_set_in_the_forward_pass_stays_in_the_copy() -> None:
    class Remembers(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last: Tensor | None = None

        def forward(self, x: Tensor) -> Tensor:
            self.last = x + 1
            return self.last

    net = Remembers()
    trace(net, (1, 4), cache=False)
    assert net.last is None


def test_nothing_is_allocated_for_a_network_of_any_size() -> None:
    with torch.device("meta"):
        net = nn.Linear(1_000_000, 1_000_000)
    assert trace(net, (1, 1_000_000), cache=False).macs == 10**12


def test_tensors_kept_as_plain_attributes() -> None:
    class Anchors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.anchors = torch.ones(4, requires_grad=True) * 2  # not a leaf: plain deepcopy refuses it

        def forward(self, x: Tensor) -> Tensor:
            return x * self.anchors

    (op,) = trace(Anchors(), (1, 4), cache=False).ops
    assert op.attrs["weights"] == [1]


class Pair(NamedTuple):
    """A named result."""

    first: Tensor
    second: Tensor


@dataclass
class Detection:
    """A structured result."""

    boxes: Tensor
    extra: dict[str, list[Tensor]]
    count: int = 3


@pytest.mark.parametrize(
    "wrap",
    [
        lambda a, b: (a, b),
        lambda a, b: {"a": a, "b": [b]},
        Pair,
        lambda a, b: Detection(a, {"b": [b]}),
    ],
    ids=["tuple", "dict", "namedtuple", "dataclass"],
)
def test_structured_outputs(wrap: Any) -> None:
    w = trace(Call(lambda x: wrap(x + 1, x * 2)), (1, 4), cache=False)
    assert len(w.outputs) == 2


@pytest.mark.parametrize(
    "given",
    [
        {"input_shape": [(1, 4), (1, 4)]},
        {"inputs": [(1, 4), torch.zeros(1, 4)]},
        {"inputs": {"x": (1, 4), "y": torch.zeros(1, 4)}},
    ],
    ids=["shapes", "sequence", "names"],
)
def test_several_inputs(given: dict[str, Any]) -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    (op,) = trace(Two(), cache=False, **given).ops
    assert op.inputs == (0, 1)


def test_token_ids() -> None:
    net = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 4))
    w = trace(net, inputs=[torch.zeros((1, 6), dtype=torch.long)], cache=False)
    assert w.tensor(0).precision == Precision.INT64
    assert w.macs == 6 * 8 * 4
    with pytest.raises(TraceError, match=r"inputs=\[torch\.zeros\(\(1, 128\), dtype=torch\.long\)\]"):
        trace(net, (1, 6), cache=False)


def test_half_precision_weights_get_half_precision_inputs() -> None:
    w = trace(nn.Linear(4, 4).half(), (1, 4), cache=False)
    assert {Precision(p) for p in w.tensor_precision.tolist()} == {Precision.FP16}


def test_values_of_constants_are_known() -> None:
    class Selects(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("limit", torch.tensor(3))

        def forward(self, x: Tensor) -> Tensor:
            steps = torch.arange(x.shape[1], device=x.device)
            kept = x[:, steps > self.limit]
            for _ in range(int(self.limit) - int(steps[1:3].sum().item())):
                raise AssertionError
            return kept if torch.all(steps >= 0) else x

    w = trace(Selects(), (1, 8), cache=False)
    assert w.shape(w.outputs[0]) == (1, 4)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: x[:, torch.arange(3).tolist()], (1, 3)),
        (lambda x: x * float(torch.linspace(0, 1, 4).cpu().numpy()[1]), (1, 4)),
        (lambda x: x.view(*torch.tensor(x.shape).tolist()), (1, 4)),
        (lambda x: x[:, torch.where(torch.arange(4) > 1)[0]], (1, 2)),
        (lambda x: x[:, torch.unique(torch.tensor([1, 1, 2]))], (1, 2)),
        (lambda x: torch.repeat_interleave(x, torch.tensor([1, 2, 1, 0]), dim=1), (1, 4)),
        (lambda x: x.masked_fill(torch.ones(4, dtype=torch.bool), 0.0), (1, 4)),
        (lambda x: (f"{x.mean()}", x)[1], (1, 4)),
    ],
    ids=["tolist", "numpy", "shape", "where", "unique", "repeat", "mask", "text"],
)
def test_constants_may_be_looked_at(function: Any, shape: tuple[int, ...]) -> None:
    w = trace(Call(function), (1, 4), cache=False)
    assert w.shape(w.outputs[0]) == shape


def test_values_of_plain_attributes_are_known() -> None:
    class Window(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.limits = torch.tensor([1, 3])
            self.step = torch.tensor(2.0)

        def forward(self, x: Tensor) -> Tensor:
            low, high = self.limits.tolist()
            return x[:, low : high : int(self.step)]

    w = trace(Window(), (1, 4), cache=False)
    assert w.shape(w.outputs[0]) == (1, 1)


def test_device_moves_inside_the_forward_pass() -> None:
    def moves(x: Tensor) -> Tensor:
        y = torch.zeros(4)
        return x.to("cpu") + y.to(x.device) + torch.ones(4, device="cpu") + x.cpu()

    w = trace(Call(moves), (1, 4), cache=False)
    assert w.shape(w.outputs[0]) == (1, 4)


def test_vmap_and_custom_functions() -> None:
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(_: Any, x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def backward(_: Any, grad: Tensor) -> Tensor:
            return grad * 2

    w = trace(Call(lambda x: torch.vmap(torch.outer)(Double.apply(x), x)), (3, 4), cache=False)
    assert w.shape(w.outputs[0]) == (3, 4, 4)
    assert all(w.op_modelled)


def test_modules_that_other_threads_run_do_not_appear() -> None:
    other = nn.Linear(2, 2)

    class Waits(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            thread = threading.Thread(target=lambda: other(torch.zeros(1, 2)))
            thread.start()
            thread.join()
            return x + 1

    w = trace(nn.Sequential(Waits()), (1, 4), cache=False)
    assert [(op.attrs["fn"], op.module) for op in w.ops] == [("add", "0")]


@pytest.mark.parametrize(
    "wrap",
    [
        torch.fx.symbolic_trace,
        nn.DataParallel,
        lambda net: torch.export.export(net, (torch.zeros(1, 3, 8, 8),)).module(),
    ],
    ids=["fx", "parallel", "exported"],
)
def test_modules_that_other_tools_made(wrap: Any) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wrapped = wrap(net)
    assert trace(wrapped, (1, 3, 8, 8), cache=False).macs == trace(net, (1, 3, 8, 8), cache=False).macs


def test_compiled_modules_are_traced_as_they_are() -> None:
    net = torch.compile(nn.Linear(4, 3), backend="eager")
    w = trace(net, (1, 4), cache=False)
    assert (w.name, w.macs) == ("Linear", 12)


def test_module_paths_follow_the_tree() -> None:
    net = nn.Sequential(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), nn.Linear(4, 4))
    assert trace(net, (1, 4), cache=False).op_module == ("0.0", "0.1", "1")


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x if x.sum() > 0 else -x,
        lambda x: x[x > 0],
        lambda x: x * x.max().item(),
        torch.nonzero,
        lambda x: x[: int(x[0, 0])],
        lambda x: x * x.tolist()[0][0],
        lambda x: x * x.cpu().numpy().sum(),
    ],
    ids=["branch", "mask", "item", "nonzero", "length", "list", "numpy"],
)
def test_control_by_data_is_refused_with_what_to_do(function: Any) -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stage = Call(function)

        def forward(self, x: Tensor) -> Tensor:
            return self.stage(x * 2)

    with pytest.raises(TraceError) as caught:
        trace(Net(), (1, 4), cache=False)
    text = str(caught.value)
    assert text.startswith("Net: cannot be traced: aten.")
    assert "in module 'stage'; " in text
    assert "depends on the values of tensors, which only a run with data knows" in text
    assert "give a module whose forward leaves it out" in text


def test_wrong_shape_names_operator_and_module() -> None:
    with pytest.raises(TraceError, match=r"aten\.linear in module '1'.*check input_shape"):
        trace(nn.Sequential(nn.ReLU(), nn.Linear(8, 4)), (1, 5), cache=False)


def test_missing_argument_says_how_to_name_it() -> None:
    with pytest.raises(TraceError, match=r"name the arguments: inputs=\{'x'"):
        trace(nn.Bilinear(4, 4, 2), (1, 4), cache=False)


def test_no_tensor_returned() -> None:
    with pytest.raises(TraceError, match="returned int without a tensor"):
        trace(Call(lambda _: 3), (1, 4), cache=False)


def test_lazy_parameters() -> None:
    with pytest.raises(TraceError, match="lazy parameters; run it once"):
        trace(nn.LazyLinear(4), (1, 4), cache=False)


def test_what_cannot_be_copied_is_shared() -> None:
    net = nn.Linear(4, 4)
    net.lock, net.generator = threading.Lock(), torch.Generator()
    assert trace(net, (1, 4), cache=False).macs == 16


def test_torchscript_is_refused() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = torch.jit.script(nn.Linear(4, 4))
    with pytest.raises(TraceError, match="give the Python module it was made from"):
        trace(scripted, (1, 4), cache=False)


def test_methods_and_children_kept_as_attributes_are_those_of_the_copy() -> None:
    class Indirect(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(4, 4)
            self.run = self.step
            self.listed = [self.inner]

        def step(self, x: Tensor) -> Tensor:
            return self.listed[0](self.inner(x))

        def forward(self, x: Tensor) -> Tensor:
            return self.run(x)

    w = trace(Indirect(), (1, 4), cache=False)
    first, second = w.ops
    assert first.inputs[1] == second.inputs[1]
    assert w.op_module == ("inner", "inner")


@pytest.mark.parametrize("shape", [(1, 0), (1, "3"), [[1, 4.5]]])
def test_inputs_that_are_no_shapes(shape: Any) -> None:
    with pytest.raises(InputError, match="expected a tensor or a shape of positive integers"):
        trace(nn.Linear(4, 4), shape, cache=False)


def test_not_a_module() -> None:
    with pytest.raises(InputError, match=r"expected a torch\.nn\.Module"):
        trace("resnet50", cache=False)  # type: ignore[arg-type]


def test_trace_leaves_no_mode_behind_after_an_error() -> None:
    with pytest.raises(TraceError):
        trace(Call(lambda x: x[x > 0]), (1, 4), cache=False)
    assert torch.backends.mha.get_fastpath_enabled()
    assert not torch.is_inference_mode_enabled()
    assert torch.ones(2).sum().item() == 2
    (op,) = trace(nn.ReLU(), (1, 4), cache=False).ops
    assert (op.kind, op.module) == (OpKind.ELEMENTWISE, "")
