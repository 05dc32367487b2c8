"""Rules from names to networks: the first that fits, groups as options, sizes as stated."""

from __future__ import annotations

import pytest

from hw_models.workload.named import NamedNetwork
from search_spaces.published import qualcomm_aihub, vitis_ai
from search_spaces.published.base import Ids, Recipe
from search_spaces.published.rules import examples, matching, own, stated_size, timm, torchvision

RULES = (
    (r"net_(?P<depth>\d+)_fixed", own("nets:fixed", (64, 32)).but(fixed=True)),
    (r"net_v(?P<version>[12])_(?P<width>\d_\d+)", own("nets:net_v{version}", (96, 96))),
    (r"net_(?P<variant_>small|large)", own("nets:net", size_="m")),
    (r"vgg_(?P<depth>16|19)", torchvision("vgg{depth}")),
    (r"net_\w+", timm("resnet50")),
)


def test_groups_become_options_or_fill_the_text() -> None:
    found = matching(RULES, "net_v2_0_25")
    assert found is not None
    assert found.target == "search_spaces.vision.architectures.nets:net_v2"
    assert dict(found.options) == {"width": 0.25}
    filled = matching(RULES, "vgg_19")
    assert filled is not None
    assert dict(filled.options) == {"name": "vgg19"}


def test_a_trailing_underscore_avoids_names_that_are_taken() -> None:
    found = matching(RULES, "net_small")
    assert found is not None
    assert dict(found.options) == {"size": "m", "variant": "small"}


def test_the_first_rule_and_the_first_spelling_win() -> None:
    fixed, rest = matching(RULES, "net_7_fixed"), matching(RULES, "net_other")
    assert fixed is not None
    assert rest is not None
    assert (dict(fixed.options), rest.options["arch"]) == ({"depth": 7}, "resnet50")
    assert matching(RULES, "unknown", "net_other") == rest
    assert matching(RULES, "unknown") is None


def test_recipes_take_the_size_as_input_and_as_option() -> None:
    network = own("nets:net", width=2).but(sized="side")
    assert network.recipe((32, 48)) == Recipe(
        "search_spaces.vision.architectures.nets:net",
        ((1, 3, 32, 48),),
        (("side", (32, 48)), ("width", 2)),
    )


def test_stated_sizes_go_before_a_networks_own_unless_it_is_fixed() -> None:
    asked = NamedNetwork("t", "net", input_shape="128x256")
    unstated = NamedNetwork("t", "net")
    free, fixed = own("nets:net", (96, 96)), own("nets:net", (64, 32)).but(fixed=True)
    assert stated_size(asked, free) == (128, 256)
    assert stated_size(unstated, free) == (96, 96)
    assert stated_size(asked, fixed) == (64, 32)


def test_examples_are_names_without_patterns() -> None:
    assert examples(RULES) == ("net_small", "vgg_16")


@pytest.mark.parametrize("rules", [qualcomm_aihub.RULES, vitis_ai.RULES], ids=["qualcomm", "vitis"])
def test_every_rule_gives_inputs_with_one_image_text_or_cache(rules: tuple[tuple[str, object], ...]) -> None:
    for pattern, network in rules:
        inputs = network.inputs((64, 64))  # type: ignore[attr-defined]
        shapes = [i.shape if isinstance(i, Ids) else i for i in inputs]
        assert shapes, pattern
        assert all(len(s) >= 2 and all(isinstance(n, int) and n > 0 for n in s) for s in shapes), pattern
