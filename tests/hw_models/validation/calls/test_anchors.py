"""Anchors of convolutions: what the vendor's other GPUs say, never the device itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_models.measured.loaders import load
from hw_models.validation.calls.anchors import carried
from hw_models.validation.operators import OperatorGroup, law_seconds, operator_groups, predicted_seconds


@pytest.fixture(scope="module")
def groups() -> dict[str, OperatorGroup]:
    shipped = load(datasets=["deepbench_conv", "deepbench_gemm"])
    return {
        f"{name} {group.chip.name} {group.precision}": group
        for name, records in shipped.records.items()
        for group in operator_groups(records, shipped.devices).groups
    }


def errors(group: OperatorGroup, seconds: np.ndarray) -> float:
    return float(np.abs(seconds / group.typical_s - 1).mean())


def test_boards_of_one_vendor_tell_of_each_other_and_of_no_third(
    groups: dict[str, OperatorGroup],
) -> None:
    mi25 = groups["deepbench_conv mi25 fp32"]
    vega = groups["deepbench_conv vega_fe fp32"]
    told = carried(mi25, law_seconds)
    beyond = np.log(vega.typical_s / law_seconds(vega))
    beyond -= np.median(beyond)
    by_shape = dict(zip(vega.operators.shape, 0.7 * beyond, strict=True))
    np.testing.assert_allclose(told, [by_shape[shape] for shape in mi25.operators.shape], atol=1e-12)


def test_a_device_is_no_anchor_of_itself(groups: dict[str, OperatorGroup]) -> None:
    group = groups["deepbench_conv titanxp fp32"]
    renamed = replace(group, chip=group.chip.model_copy(update={"name": "another"}))
    assert not np.allclose(carried(group, law_seconds), carried(renamed, law_seconds))
    of_nobody = replace(group, chip=group.chip.model_copy(update={"vendor": "Nobody"}))
    assert not carried(of_nobody, law_seconds).any()


def test_it_serves_convolutions_alone(groups: dict[str, OperatorGroup]) -> None:
    assert not carried(groups["deepbench_gemm titanxp fp32"], law_seconds).any()
    for name in ("mi25", "titanxp", "titanx_pascal"):
        group = groups[f"deepbench_conv {name} fp32"]
        value, low, high, _ = predicted_seconds(group)
        assert errors(group, value) < errors(group, law_seconds(group))
        assert ((low <= value) & (value <= high)).all()
