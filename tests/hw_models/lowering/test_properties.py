"""Physics of every lowering, on networks made at random."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hw_models.lowering import LOWERINGS, lower, lowered
from hw_models.workload import TensorKind

STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["conv", "depthwise", "bn", "relu", "add", "mean", "gate", "cat", "pool", "norm", "copy", "pow"]
        ),
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    min_size=1,
    max_size=25,
)


def network(net, steps):
    """A connected network of (1, 4, 8, 8) images; each step takes its operands from all that was made
    before.
    """
    made = [net.input(1, 4, 8, 8)]
    for name, i, j in steps:
        x, y = made[i % len(made)], made[j % len(made)]
        match name:
            case "conv":
                out = net.conv(x, 4, 3)
            case "depthwise":
                out = net.conv(x, 4, 3, groups=4)
            case "bn":
                out = net.bn(x)
            case "relu" | "pow":
                out = net.pointwise(name, x)
            case "add":
                out = net.pointwise("add", x, y)
            case "mean":
                out = net.pointwise("mul", net.mean(x), y)
            case "gate":
                out = net.pointwise("mul", net.conv(net.mean(x), 4), y)
            case "cat":
                out = net.conv(net.cat(x, y), 4)
            case "pool":
                out = net.pool(x)
            case "norm":
                out = net.view(net.layer_norm(net.view(x, 1, 64, 4)), 1, 4, 8, 8)
            case _:
                out = net.layout("copy", (1, 4, 8, 8), x)
        made.append(out)
    return net.done(*made[-2:])


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, precision=st.sampled_from(["fp32", "fp16", "int8"]))
def test_work_and_traffic(new_net, totals, steps, precision):
    """No lowering loses a MAC; fusion adds no kernel; ideal moves least.

    Compiled may move more than eager on contrived graphs: inductor repeats whatever reads little.
    """
    workload = network(new_net(), steps)
    made = {name: lower([workload], lowering=name, precision=precision) for name in LOWERINGS}
    sums = {name: totals(kernels) for name, kernels in made.items()}
    assert sums["ideal"]["macs"] == sums["compiled"]["macs"] == sums["eager"]["macs"]
    assert max(made["ideal"].n_instances, made["compiled"].n_instances) <= made["eager"].n_instances
    traffic = {name: kernels.outer_bytes[kernels.index].sum() for name, kernels in made.items()}
    assert traffic["ideal"] <= min(traffic["compiled"], traffic["eager"])


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, lowering=st.sampled_from(LOWERINGS))
def test_everything_is_written_before_it_is_read(new_net, steps, lowering):
    """No cycle between kernels, and every value that a kernel reads from memory is there."""
    workload = network(new_net(), steps)
    net = lowered(workload, lowering=lowering)
    written: set[int] = set(np.flatnonzero(workload.tensor_kind == TensorKind.INPUT).tolist())
    for k in range(len(net.cls)):
        assert set(net.reads.value[net.reads.kernel == k].tolist()) <= written
        written |= set(net.writes.value[net.writes.kernel == k].tolist())
    assert len(net.writes.value) == len(set(net.writes.value.tolist())), "nothing is written twice"
    assert np.all(net.touched < net.reads.kernel)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, lowering=st.sampled_from(LOWERINGS))
def test_outputs_are_written_and_memory_holds_them(new_net, totals, steps, lowering):
    workload = network(new_net(), steps)
    kernels = lower([workload], lowering=lowering, precision="int8")
    outputs = {t for t in workload.outputs if workload.tensor_kind[t] != TensorKind.INPUT}
    owners = {int(workload.tensor_storage[t]) for t in outputs}
    size = sum(
        int(workload.tensor_elements[t]) for t in owners if workload.tensor_kind[t] != TensorKind.INPUT
    )
    assert totals(kernels)["write_bytes"] >= size
    assert kernels.peak_activation_bytes[0] >= size


@settings(max_examples=40, deadline=None)
@given(steps=STEPS, lowering=st.sampled_from(LOWERINGS), batch=st.integers(2, 9))
def test_a_larger_batch_does_all_work_more_often(new_net, totals, steps, lowering, batch):
    workload = network(new_net(), steps)
    one = lower([workload], lowering=lowering, precision="int8")
    many = lower([workload], lowering=lowering, precision="int8", batch=batch)
    assert one.n_instances == many.n_instances
    for field, value in totals(many).items():
        assert value == totals(one)[field] * (1 if field == "weight_bytes" else batch)
    assert many.peak_activation_bytes[0] == batch * one.peak_activation_bytes[0]
