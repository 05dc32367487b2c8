"""Mapping files: which layers they name, what an organisation makes of them, what is wrong with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hw_models.cost.arrays import Feasibility
from hw_models.cost.estimate import estimate
from hw_models.cost.tiled.loopnest.yaml_file import YamlFile
from hw_models.cost.tiled.mappings import GivenMappings
from hw_models.cost.tiled.registry import taking_mappings
from hw_models.errors import FileError, InputError, UnknownNameError
from hw_models.lowering import lower
from hw_models.spec.load import load_chip
from hw_models.workload.op import OpKind


@pytest.fixture
def file(tmp_path):
    """Writes a mapping file."""

    def write(text: str) -> Path:
        path = tmp_path / "mappings.yaml"
        path.write_text(text)
        return path

    return write


def three(net):
    """Three equal convolutions and a softmax; labels are "conv", "conv", "conv" and "softmax"."""
    network = net()
    for _ in range(3):
        network.conv(16, 16, 12)
    return network.rows(OpKind.SOFTMAX, 4, 8)


def test_a_given_mapping_is_costed_as_it_stands(net, npu, file):
    network = net().conv(16, 16, 12).attention(1, 8, 8).finish()
    plain = estimate(network, npu("paper_given"), precision="int8", model="tiled").to_frame()
    path = file('mappings:\n  conv: "slow 3"\n')
    cost = estimate(network, npu("paper_given"), precision="int8", model="tiled", mapping=path)
    frame = cost.to_frame()
    assert frame["mapping"][0] == "slow 3"
    assert frame["mac_us"][0] == pytest.approx(3 * plain["mac_us"][0])
    assert frame["mac_us"][1] == plain["mac_us"][1]
    assert np.isnan(frame["mapping_gap"][0])
    assert frame["mapping_gap"][1] == 0
    assert "slow 3; given or by rule" in str(cost.explain())


def test_equal_kernels_come_apart_where_their_mappings_differ(net):
    kernels = lower([three(net).finish()], lowering="ideal", precision="int8")
    names = [f"{label} {i}" if label == "conv" else label for i, label in enumerate(kernels.labels)]
    named = replace(kernels, labels=tuple(f"layer{i} {n}" for i, n in enumerate(names)))
    document = YamlFile.parse("mappings: {layer1: a, layer2: b}", "m.yaml")
    apart = GivenMappings(document, ("layer1", "layer2")).applied_to(named)
    assert apart.n_distinct == kernels.n_distinct + 2
    assert [g[0].value if g else None for g in apart.given[apart.index]] == [None, "a", "b", None]
    assert apart.macs[apart.index].tolist() == kernels.macs[kernels.index].tolist()
    assert apart.counts.sum() == kernels.n_instances


def test_a_list_has_a_mapping_for_each_contraction(net, npu, file):
    network = net().attention(1, 8, 8).finish()
    path = file('mappings:\n  "attention": ["slow 2", "slow 5"]\n')
    cost = estimate(network, npu("paper_given"), precision="int8", model="tiled", mapping=path)
    assert cost.to_frame()["mapping"][0] == "slow 2; then slow 5"
    one = file("mappings:\n  attention: slow 2\n")
    with pytest.raises(InputError, match="1 mappings for a kernel of 2 contractions; expected 2"):
        estimate(network, npu("paper_given"), precision="int8", model="tiled", mapping=one)


def test_a_given_tile_that_does_not_fit_is_a_code_not_an_error(net, npu, file):
    network = net().conv(16, 16, 12).finish()
    cost = estimate(
        network,
        npu("paper_given"),
        precision="int8",
        model="tiled",
        mapping=file("mappings: {conv: slow 12}"),
    )
    assert cost.feasibility == Feasibility.CAPACITY
    assert cost.latency.value is None
    assert (cost.shortfalls[0].demand, cost.shortfalls[0].gap) == ("12 byte", "3 byte too little")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mappings: [a]", "mappings.yaml:1: mappings: is ['a']; expected a mapping"),
        ("mapings: {a: b}", "mappings.yaml:1: mapings: unknown field; did you mean 'mappings'?"),
        ("schema_version: 2\nmappings: {a: b}", "mappings.yaml:1: schema_version: is 2; expected 1"),
        ("mappings:\n  a: b\n  c: 3", "mappings.yaml:3: mappings.c: is 3; expected a mapping, or text"),
        ("mappings:", "mappings.yaml:1: mappings: is missing or empty; expected layer: mapping"),
        ("a: [", "is not YAML"),
    ],
)
def test_a_bad_file_is_answered_with_its_line(file, text, said):
    with pytest.raises(FileError) as error:
        GivenMappings.load(file(text))
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match="expected a YAML file"):
        GivenMappings.load(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("mappings: {conw: slow 2}", UnknownNameError, r"mappings.yaml:1\) 'conw'; did you mean 'conv'"),
        ("mappings: {softmax: slow 2}", InputError, "'softmax' has no contraction to map"),
        ("mappings: {conv: fast}", FileError, "mappings.yaml:1: mappings.conv: is 'fast'; expected 'slow N'"),
    ],
)
def test_names_and_notations_that_do_not_fit(net, npu, file, text, kind, said):
    with pytest.raises(kind, match=said):
        estimate(three(net).finish(), npu("paper_given"), precision="int8", model="tiled", mapping=file(text))


def test_who_takes_mappings_is_said(net, npu, file):
    network = net().conv(16, 16, 12).finish()
    with pytest.raises(InputError, match="organisation 'paper' of npu_on_paper takes no given mappings"):
        estimate(network, npu(), precision="int8", model="tiled", mapping=file("mappings: {conv: slow 2}"))
    with pytest.raises(InputError, match="model 'roofline' maps nothing"):
        estimate(network, npu(), precision="int8", mapping=file("mappings: {conv: slow 2}"))
    assert "paper_given" in taking_mappings()
    assert "paper" not in taking_mappings()


@pytest.mark.parametrize(
    "kind", ["weight_stationary", "output_stationary", "input_stationary", "vector", "gemmini_16x16"]
)
def test_a_mapping_that_was_found_costs_the_same_when_a_file_gives_it(net, npu, file, kind):
    """To the bit, also where bytes move beside it: fused operators, the scores of an attention."""
    chip = load_chip(kind) if kind == "gemmini_16x16" else npu(kind, sram=4096)
    network = net().conv(20, 12, 14).rows(OpKind.SOFTMAX, 20, 196).attention(3, 33, 16).finish()
    found = estimate(network, chip, precision="int8", model="tiled")
    lines = ["mappings:"]
    for name, mapping in zip(found.to_frame()["name"], found.to_frame()["mapping"], strict=True):
        if mapping:
            lines += [f"  {name}:", *(f'    - "{part}"' for part in str(mapping).split("; then "))]
    given = estimate(network, chip, precision="int8", model="tiled", mapping=file("\n".join(lines)))
    assert given.latency.value == found.latency.value
    assert given.energy.value == found.energy.value
    assert given.to_frame()["mapping"].tolist() == found.to_frame()["mapping"].tolist()


def test_a_printed_tile_larger_than_its_layer_is_refused(net, file):
    path = file('mappings:\n  gemm: "tile 1x9x16 (rows x columns x filters), 8 channels, 1x1 taps"\n')
    with pytest.raises(
        FileError, match=r"mappings\.yaml:2: .*9 columns; expected 1 to 4, those of the problem"
    ):
        estimate(net().gemm(4, 16, 8).finish(), "gemmini_16x16", model="tiled", mapping=path)
