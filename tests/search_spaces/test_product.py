"""Networks times chips: precision follows the chip, and what cannot be costed is listed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.product import ChipList, Product
from search_spaces.space import SearchSpace
from search_spaces.testing.conformance import problems
from search_spaces.testing.plain_cnn import PlainCnn

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator


@pytest.fixture
def both(make_chip) -> Product:
    return PlainCnn() * [make_chip("gpu", {"fp16": 2e12, "fp32": 1e12}), make_chip("npu", {"int8": 4e12})]


def test_it_is_a_space(both: Product) -> None:
    assert problems(both) == []
    assert both.size == 15 * 3
    assert list(both.knobs) == ["depth", "width", "chip", "precision"]
    assert both.knobs["precision"] == Choice(("fp16", "int8", "fp32"))


def test_a_precision_that_the_chip_lacks_becomes_one_that_it_has(both: Product) -> None:
    asked = Candidate(depth=2, width=16, chip="npu", precision="fp32")
    assert both.canonical(asked)["precision"] == "int8"
    assert both.canonical(asked.replace(chip="gpu"))["precision"] == "fp32"
    assert both.canonical(asked.replace(chip="gpu", precision="int8"))["precision"] == "fp16"


def test_neighbours_change_the_network_or_the_hardware(both: Product) -> None:
    here = Candidate(depth=2, width=16, chip="gpu", precision="fp16")
    assert both.neighbours(here) == (
        here.replace(depth=3),
        here.replace(width=32),
        here.replace(chip="npu", precision="int8"),
        here.replace(precision="fp32"),
    )


def test_parts(both: Product) -> None:
    here = Candidate(depth=2, width=16, chip="npu", precision="int8")
    assert both.network(here) == Candidate(depth=2, width=16)
    assert both.chip(here).name == "npu"
    assert both.label(here) == "2-16 on npu (int8)"


def test_chips_that_cannot_be_costed_are_listed(make_chip) -> None:
    chips = [
        make_chip("good", {"int8": 1e12}),
        make_chip("blind", {"int8": 1e12}, bandwidth=None),
        make_chip("odd", {"fp8": 1}),
    ]
    product = PlainCnn() * chips
    assert list(product.knobs["chip"]) == ["good"]
    assert "bandwidth of the off-chip memory is unknown" in product.left_out["blind"]
    assert product.left_out["odd"] == "no peak at fp16, int8, fp32; peaks known: fp8"
    with pytest.raises(InputError, match="none of the 2 chips can be costed at fp16, int8, fp32; blind: "):
        PlainCnn() * chips[1:]


def test_bad_factors(make_chip) -> None:
    one = make_chip("one", {"int8": 1e12})
    with pytest.raises(InputError, match="no chip given, expected at least one"):
        PlainCnn() * []
    with pytest.raises(InputError, match="chip 'one' given twice"):
        PlainCnn() * [one, one]
    with pytest.raises(UnknownNameError, match="unknown precision 'int9'; did you mean 'int8'"):
        Product.of(PlainCnn(), [one], ["int9"])
    with pytest.raises(UnknownNameError, match="unknown chip 'rtx_4090'; did you mean 'rtx4090'"):
        PlainCnn() * ["rtx_4090"]


def test_a_chip_family_is_a_factor_too(make_chip) -> None:
    @dataclass(frozen=True)
    class Npus(SearchSpace):
        name: str = "npus"

        @property
        def knobs(self) -> Mapping[str, Knob]:
            return {"rows": IntRange(8, 32, 8)}

        def build(self, candidate: Candidate) -> Accelerator:
            rows = int(candidate["rows"])
            return make_chip(f"npu_{rows}", {"int8": rows**2 * 2e9})

    product = PlainCnn() * Npus()
    here = product.canonical(Candidate(depth=2, width=16, rows=16, precision="fp16"))
    assert here["precision"] == "int8"
    assert product.chip(here).main_engine.peak["int8"].value == 512e9
    assert here.replace(rows=24) in product.neighbours(here)

    @dataclass(frozen=True)
    class Clash(Npus):
        @property
        def knobs(self) -> Mapping[str, Knob]:
            return {"depth": IntRange(1, 2)}

    with pytest.raises(InputError, match="knob 'depth' is in both 'plain_cnn' and its chips"):
        PlainCnn() * Clash()


def test_a_list_of_chips_is_a_space(make_chip) -> None:
    assert problems(ChipList((make_chip("one", {"int8": 1e12}), make_chip("two", {"int8": 1e12})))) == []
