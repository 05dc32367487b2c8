"""Class constants: the file that ships, what they do to terms, the power-capped clock."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.adjust import Adjustment, class_priors, power_capped_clock
from hw_models.cost.arrays import RESOURCES, KernelClass
from hw_models.cost.chips import ENGINE_KINDS, Chips
from hw_models.cost.models import cost_model
from hw_models.errors import InputError
from hw_models.lowering import LOWERINGS
from hw_models.spec.load import load_chip

PRIORS = class_priors()


@pytest.mark.parametrize("lowering", LOWERINGS)
@pytest.mark.parametrize("kind", ENGINE_KINDS)
def test_every_kind_has_constants_within_physics(kind, lowering):
    c = PRIORS.constants(kind, lowering)
    for share in (*c.compute.values(), *c.bandwidth.values(), c.vector):
        assert 0 < share <= 1, "an efficiency above 1 would beat the roofline"
    assert 0 < c.low < 1 < c.high
    assert 0 < c.issue < 1e-3
    assert c.source
    assert c.obtained


def test_overlap_never_beats_the_slowest_resource():
    assert cost_model("roofline").overlap >= 1


def test_unknown_lowering_of_a_kind():
    with pytest.raises(
        InputError, match="no class constants of gpu engines for lowering 'fused'; known: compiled, eager"
    ):
        PRIORS.constants("gpu", "fused")


def test_factors_by_class(kernels, toy):
    constants = PRIORS.constants("gpu", "compiled")
    chips = Chips.of([toy(kind="gpu", process_nm=None)])
    adjustment = Adjustment.of(chips, (constants,))
    k = kernels([{"cls": c} for c in (KernelClass.CONV, KernelClass.DEPTHWISE, KernelClass.ELEMENTWISE)])
    alone = np.ones((3, 1, len(RESOURCES)))
    alone[..., RESOURCES.index("issue")] = 0
    out = adjustment.apply(alone, k)[:, 0]
    assert out[0, 0] == pytest.approx(1 / constants.compute["conv"])
    assert out[1, 1] == pytest.approx(1 / constants.compute["depthwise"])
    assert out[2, 1] == pytest.approx(1 / constants.vector)
    assert out[0, 2] == pytest.approx(1 / constants.bandwidth["contraction"])
    assert out[2, 2] == pytest.approx(1 / constants.bandwidth["other"])
    assert (out[:, RESOURCES.index("issue")] == constants.issue).all()


def test_issue_time_of_the_chip_comes_first(toy):
    own = Chips.of([toy(engine={"issue": {"value": 7e-6, "source": "s"}})])
    assert Adjustment.of(own, (PRIORS.constants("npu", "compiled"),)).issue[0] == 7e-6


@pytest.mark.parametrize(
    ("name", "measured", "within"),
    [
        ("t4", 0.61, 0.05),
        ("a100_pcie_40gb", 0.87, 0.05),
        ("v100_pcie_32gb", 0.98, 0.05),
        ("p100_pcie_16gb", 0.90, 0.11),
    ],
)
def test_power_capped_clock_against_gemm(name, measured, within):
    """Achieved over rated peak of FP32 GEMM, 99th percentile (DeepBench, NeuSight)."""
    assert power_capped_clock(Chips.of([load_chip(name)]))[0] == pytest.approx(measured, abs=within)


@pytest.mark.parametrize("name", ["rtx4090", "rtx3090", "i9_10940x", "qcs8550"])
def test_no_power_cap_where_there_is_power_or_no_rule(name):
    assert power_capped_clock(Chips.of([load_chip(name)]))[0] == 1
