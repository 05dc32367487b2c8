"""The benchmark runs, in small, and its figures have the promised names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from typer.testing import CliRunner

from codesign import bench
from codesign.cli import build_app
from hw_models.errors import UnknownNameError
from hw_models.workload.graph import WorkloadBuilder
from hw_models.workload.op import OpKind, Precision, TensorKind

SMALL = bench.Size(reference=1, seen=3, unseen=20, alone=1, mappings=20_000)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """One convolution of 16 channels on 8 x 8 pixels, few chips of one array."""
    b = WorkloadBuilder("one_conv")
    x = b.tensor((1, 16, 8, 8), Precision.FP32, TensorKind.INPUT, batched=True)
    w = b.tensor((16, 16, 3, 3), Precision.FP32, TensorKind.WEIGHT, batched=False)
    y = b.tensor((1, 16, 8, 8), Precision.FP32, TensorKind.ACTIVATION, batched=True)
    attrs = {"weights": 1, "stride": [1, 1], "padding": [1, 1]}
    b.op(OpKind.CONV, (1, 1, 16, 16, 8, 8, 3, 3), (x, w), (y,), target="conv", batch_dim=0, attrs=attrs)
    monkeypatch.setattr(bench, "_traced", lambda: ([b.finish((y,))], [0.25]))
    monkeypatch.setattr(bench, "ARRAYS", (16,))
    monkeypatch.setattr(bench, "SRAM_KIB", (256,))


def test_figures(small: None) -> None:
    found: dict[str, Any] = bench.measure(SMALL)
    assert set(found) == {*bench.KEYS, "detail"}
    assert found["gap_max"] <= bench.PROVEN + 1e-12
    assert found["ratio_to_zigzag"] is None
    assert found["trace_s_median"] == 0.25
    for key in ("layer_mappings_per_s", "covered_points_per_s", "designs_per_s_cold", "designs_per_s_warm"):
        assert found[key] > 0, key
    assert found["detail"]["warm_loss_max"] >= -0.001 - 1e-12


@pytest.mark.parametrize("options", [["--json"], []], ids=["json", "table"])
def test_command(monkeypatch: pytest.MonkeyPatch, options: Sequence[str]) -> None:
    figures = {**dict.fromkeys(bench.KEYS), "n_cores": 2, "detail": {"zigzag": {"skipped": "not installed"}}}
    monkeypatch.setattr(bench, "measure", lambda **_: dict(figures))
    printed = CliRunner().invoke(build_app(), ["bench", *options])
    assert printed.exit_code == 0
    if options:
        assert json.loads(printed.stdout)["n_cores"] == 2
    else:
        assert "zigzag skipped" in printed.stdout


def test_an_unknown_rival_is_named() -> None:
    failed = CliRunner().invoke(build_app(), ["bench", "--against", "zigzig"])
    assert isinstance(failed.exception, UnknownNameError)
    assert "did you mean 'zigzag'?" in str(failed.exception)
