"""Given mappings: what a search found costs the same when given back; what is wrong is said."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.arrays import Feasibility
from hw_models.cost.estimate import estimate
from hw_models.cost.tiled.problem import Problems
from hw_models.cost.tiled.registry import organisation
from hw_models.errors import FileError, InputError

KINDS = ("weight_stationary", "output_stationary", "input_stationary", "vector")


@pytest.mark.parametrize("kind", KINDS)
def test_what_was_found_costs_the_same_when_given(npu, kind):
    chip, found = npu(kind, sram=8192), organisation(kind)
    problems = Problems.of([[1, 1, 40, 24, 10, 10, 3, 3], [1, 8, 1, 1, 9, 9, 3, 3]], pad=1, in_size=10)
    searched = found.terms(problems, [chip])
    texts = [str(m) for m in searched.mapping[:, 0]]
    given = found.terms_given(problems, [chip], texts)
    assert [str(m) for m in given.mapping[:, 0]] == texts
    assert given.seconds == pytest.approx(searched.seconds, nan_ok=True)
    assert given.actions[..., 1:] == pytest.approx(searched.actions[..., 1:], nan_ok=True)
    assert np.isnan(given.gap).all()


def test_text_and_structure_are_the_same(npu):
    found, chip = organisation("weight_stationary"), npu("weight_stationary")
    problems = Problems.of([[1, 1, 40, 24, 10, 10, 3, 3]])
    text = "dram[weight stays] k40 c24 oy5 ox10 fy3 fx3 | sram[output stays] k16 c16 ox10"
    structure = {
        "outer": {"k": 40, "c": 24, "oy": 5, "ox": 10, "fy": 3, "fx": 3},
        "local": {"k": 16, "c": 16, "ox": 10},
        "stationary": {"dram": "weight", "sram": "output"},
    }
    with pytest.raises(InputError, match="outer tile k40 is no whole number of local tiles"):
        found.terms_given(
            Problems.of([[1, 1, 80, 24, 10, 10, 3, 3]]), [chip], [structure | {"local": {"k": 16}}]
        )
    one, other = (found.terms_given(problems, [chip], [value]) for value in (text, structure))
    assert one.seconds.tobytes() == other.seconds.tobytes()


def test_tiles_that_do_not_fit_name_demand_and_bound(npu):
    found, chip = organisation("vector"), npu("vector", sram=100)
    problems = Problems.gemm(8, 8, 64)
    layout = str(found.terms(problems, [npu("vector")]).mapping[0, 0]).rpartition("array[")[2]
    whole = f"dram[weight stays] k8 c64 ox8 | sram[output stays] 1 | array[{layout}"
    terms = found.terms_given(problems, [chip], [whole])
    assert terms.feasibility[0, 0] == Feasibility.CAPACITY
    assert terms.bound[0, 0] == 100
    assert terms.demand[0, 0] >= 8 * 64 * 2 + 64


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("k64", r"'k64' is no mapping; expected 'dram\[OPERAND stays\]"),
        ("dram[weight stays] q4 | sram[output stays] 1", "unknown loop of the outer tile 'q'"),
        ("dram[weights stays] k4 | sram[output stays] 1", "operand of dram 'weights'; did you mean 'weight'"),
        ("dram[weight stays] kk | sram[output stays] 1", "'kk' is no loop with its size"),
        ("dram[weight stays] k99 | sram[output stays] 1", "outer tile k is 99; expected 1 to 40"),
        ("dram[weight stays] k4 | sram[output stays] k8", "outer tile k4 is no whole number of local tiles"),
        ("dram[weight stays] 1 | sram[output stays] 1 | array[x]", "unknown layout on the array 'x'"),
        (3, "is 3; expected"),
        ({"outr": {}}, "unknown field 'outr'; did you mean 'outer'"),
        ({"outer": 3}, "outer is 3; expected name: value"),
    ],
)
def test_what_is_wrong_is_said(npu, value, said):
    found, chip = organisation("weight_stationary"), npu("weight_stationary")
    with pytest.raises(InputError, match=said):
        found.terms_given(Problems.of([[1, 1, 40, 24, 10, 10, 3, 3]]), [chip], [value])


def test_through_a_file(net, npu, tmp_path):
    network, chip = net().conv(24, 20, 10).finish(), npu("output_stationary")
    searched = estimate(network, chip, precision="int8", model="tiled")
    text = str(searched.to_frame()["mapping"][0])
    path = tmp_path / "m.yaml"
    path.write_text(f'mappings:\n  conv: "{text}"\n')
    given = estimate(network, chip, precision="int8", model="tiled", mapping=path)
    assert given.latency.value == pytest.approx(searched.latency.value, rel=1e-12)
    path.write_text("mappings:\n  conv: k64\n")
    with pytest.raises(FileError, match=r"m.yaml:2: mappings.conv: 'k64' is no mapping"):
        estimate(network, chip, precision="int8", model="tiled", mapping=path)


def test_layouts_need_a_name_where_there_are_several(npu):
    found = organisation("vector")
    problems = Problems.gemm(8, 8, 8)
    searched = found.terms(problems, [npu("vector")])
    assert "array[" in str(searched.mapping[0, 0])
    with pytest.raises(InputError, match="unknown layout on the array 'None'; layouts: "):
        found.terms_given(
            Problems.gemm(8, 8, 8), [npu("vector")], ["dram[weight stays] 1 | sram[input stays] 1"]
        )
