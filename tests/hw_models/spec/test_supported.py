"""What an engine may run: schemes that cover others, sparse formats that are stated or follow, refusals."""

from __future__ import annotations

import pytest

from hw_models.errors import InputError
from hw_models.spec.load import load_chip
from hw_models.spec.parts import Engine
from hw_models.spec.supported import (
    WeightScheme,
    covers,
    pattern_of,
    refusal,
    sparse_format,
    sparse_refusal,
)

S = {"source": "s"}


def engine(**fields):
    peaks = {"int8": {"value": 4e12, **S}, "fp16": {"value": 2e12, **S}}
    return Engine.model_validate({"name": "npu", "peak": peaks, **fields})


def scheme(precision, granularity="per_channel", *, symmetric=True, group=None):
    fields = {"precision": precision, "symmetric": symmetric, "granularity": granularity, "group": group}
    return {**fields, **S}


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("symmetric per_channel", WeightScheme()),
        ("per_tensor", WeightScheme(granularity="per_tensor")),
        ("asymmetric per_group:128", WeightScheme(False, "per_group", 128)),
        ("per_group:32, asymmetric", WeightScheme(False, "per_group", 32)),
    ],
)
def test_a_scheme_from_words(text, parsed):
    assert WeightScheme.parse(text) == parsed
    assert WeightScheme.parse(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "per_chanel",
            "'per_chanel' in quantisation 'per_chanel' is unknown; expected of symmetric, asymmetric",
        ),
        ("per_group", "lacks the size of a group; write it as per_group:128"),
        ("per_channel:4", "'per_channel:4' in quantisation"),
        ("per_group:x", "'per_group:x' in quantisation"),
    ],
)
def test_a_word_that_is_no_scheme(text, said):
    with pytest.raises(InputError, match=said):
        WeightScheme.parse(text)


@pytest.mark.parametrize(
    ("stated", "asked", "runs"),
    [
        ("symmetric per_channel", "symmetric per_channel", True),
        ("symmetric per_channel", "symmetric per_tensor", True),
        ("symmetric per_tensor", "symmetric per_channel", False),
        ("symmetric per_channel", "asymmetric per_channel", False),
        ("asymmetric per_channel", "symmetric per_channel", True),
        ("symmetric per_group:32", "symmetric per_group:128", True),
        ("symmetric per_group:128", "symmetric per_group:32", False),
        ("symmetric per_group:32", "symmetric per_channel", False),
    ],
)
def test_hardware_runs_a_scheme_and_its_special_cases(stated, asked, runs):
    assert covers(WeightScheme.parse(stated), WeightScheme.parse(asked)) is runs


def test_a_refusal_lists_what_is_legal():
    npu = engine(quantisation=[scheme("int8"), scheme("w4a16", "per_group", group=32)])
    assert refusal(npu, "int8", WeightScheme()) is None
    said = "'npu' does not run int8 asymmetric per_channel; legal there: symmetric per_channel"
    assert refusal(npu, "int8", WeightScheme(symmetric=False)) == f"{said}; schemes at w4a16 too"
    assert "legal there: none" in str(refusal(npu, "fp16", WeightScheme()))


def test_what_the_file_does_not_say_is_not_refused():
    assert refusal(engine(), "int8", WeightScheme(symmetric=False)) is None


def test_a_sparse_peak_implies_its_ratio_and_a_stated_format_comes_first():
    sparse = {"int8": {"value": 8e12, **S}, "fp16": {"value": 3e12, **S}}
    stated = [{"pattern": "2:4", "precision": "fp16", "factor": {"value": 1.4, **S}}]
    npu = engine(sparse_peak=sparse, sparsity=stated)
    factors = {f.precision: f.factor.value for f in npu.sparse_formats}
    assert factors == {"fp16": 1.4, "int8": 2.0}


def test_no_gain_is_assumed():
    """Every part of the triple has to be supported; nothing stands in for it."""
    npu = engine(sparsity=[{"pattern": "2:4", "precision": "int8", "factor": {"value": 1.8, **S}}])
    found = sparse_format(npu, "2:4", "int8")
    assert found is not None
    assert found.factor.value == 1.8
    for pattern, precision, operand in (
        ("1:4", "int8", "weight"),
        ("2:4", "fp16", "weight"),
        ("2:4", "int8", "input"),
    ):
        assert sparse_format(npu, pattern, precision, operand) is None
    assert sparse_refusal(npu, "1:4", "int8") == (
        "'npu' does not support 1:4 weights at int8; supported: 2:4 weights at int8"
    )
    assert str(sparse_refusal(engine(), "2:4", "int8")).endswith("supported: none")


@pytest.mark.parametrize("text", ["4:2", "2:2", "0:4", "2", "a:b", "2:4:8"])
def test_what_is_no_pattern(text):
    with pytest.raises(InputError, match="is no sparse pattern; expected N:M with N below M"):
        pattern_of(text)


def test_public_figures_of_sparse_peaks_and_power_modes():
    """NVIDIA: 624 of 312 TFLOPS at fp16 with 2:4 (A100); the clock of a mode leaves the ratio alone."""
    a100 = sparse_format(load_chip("a100_sxm_80gb").main_engine, "2:4", "fp16")
    orin = load_chip("jetson_agx_orin_64")
    assert a100 is not None
    assert a100.factor.value == 2.0
    assert sparse_format(orin.at_mode("30W").main_engine, "2:4", "int8") == sparse_format(
        orin.main_engine, "2:4", "int8"
    )
    assert sparse_format(load_chip("v100_pcie_32gb").main_engine, "2:4", "fp16") is None
