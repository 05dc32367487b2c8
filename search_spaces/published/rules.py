"""Rules from the names of a table to networks: what a name looks like, what makes it, at which size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from search_spaces.published.base import Ids, Option, Recipe, Shape

if TYPE_CHECKING:
    from hw_models.workload.named import NamedNetwork

HOME: Final = "search_spaces.vision.architectures."
TORCHVISION: Final = "search_spaces.published.registries:torchvision_module"
TIMM: Final = "search_spaces.vision.timm_models:build"
IMAGENET: Final = (224, 224)

Size = tuple[int, int]
Inputs = Callable[[Size], tuple[Shape | Ids, ...]]


def image(size: Size) -> tuple[Shape | Ids, ...]:
    """One colour image."""
    return ((1, 3, *size),)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that a rule names.

    Attributes:
        target: what makes it, `package.module:function`.
        options: of the function.
        size: height and width where the table states none.
        fixed: whether that size holds whatever the table states.
        inputs: shapes of its inputs at a size.
        sized: name of the option that takes the size; "": none does.
        thinned: whether networks of this name are pruned though the name does not say so.
        keep: ends of the paths of layers that pruning leaves as wide as they are.
    """

    target: str
    options: Mapping[str, Option] = field(default_factory=dict)
    size: Size = IMAGENET
    fixed: bool = False
    inputs: Inputs = image
    sized: str = ""
    thinned: bool = False
    keep: tuple[str, ...] = ()

    def recipe(self, size: Size) -> Recipe:
        """How it is made at a size."""
        options = dict(self.options) | ({self.sized: size} if self.sized else {})
        return Recipe(self.target, self.inputs(size), tuple(sorted(options.items())))

    def but(self, **changes: Any) -> Network:
        """The same with other attributes."""
        return replace(self, **changes)


Rule = tuple[str, Network]
"""Pattern of whole names, in lower case, and what they mean. A group of the pattern is an option of the
function, or fills a brace of its text."""


def own(target: str, size: Size = IMAGENET, **options: Option) -> Network:
    """An architecture of ours: "module:function" of `search_spaces.vision.architectures`, or in full.

    An option whose name is taken here has an underscore behind it ("size_").
    """
    full = target if target.startswith("search_spaces.") else HOME + target
    return Network(full, {name.rstrip("_"): value for name, value in options.items()}, size)


def torchvision(name: str, size: Size = IMAGENET) -> Network:
    """A network of torchvision."""
    return Network(TORCHVISION, {"name": name}, size)


def timm(name: str, size: Size = IMAGENET) -> Network:
    """A network of timm."""
    return Network(TIMM, {"arch": name}, size)


def matching(rules: Iterable[Rule], *names: str) -> Network | None:
    """What the first rule that fits one of the spellings of a name means."""
    for pattern, network in rules:
        for name in names:
            if match := re.fullmatch(pattern, name):
                return _filled(network, match)
    return None


def _filled(network: Network, match: re.Match[str]) -> Network:
    """What a rule means, with the groups of its pattern filled in."""
    groups = {k.rstrip("_"): v for k, v in match.groupdict().items() if v}
    texts = (network.target, *(v for v in network.options.values() if isinstance(v, str)))
    used = {k for k in groups if any(f"{{{k}}}" in text for text in texts)}
    options = {k: v.format(**groups) if isinstance(v, str) else v for k, v in network.options.items()}
    given = {k: _number(v) for k, v in groups.items() if k not in used}
    return network.but(target=network.target.format(**groups), options={**options, **given})


def _number(text: str) -> Option:
    """A whole number, a decimal one (also written "0_25"), or the text itself."""
    if text.isdigit():
        return int(text)
    decimal = text.replace("_", ".")
    return float(decimal) if re.fullmatch(r"\d+\.\d+", decimal) else text


def examples(rules: Iterable[Rule]) -> tuple[str, ...]:
    """Names to suggest: patterns without what is optional in them, where that leaves a name."""
    plain = (re.sub(r"\(\?P<\w+>([^|()]*)[^()]*\)|\(\?:?[^()]*\)\?", r"\1", pattern) for pattern, _ in rules)
    firsts = (text.partition("|")[0] for text in plain)
    return tuple(text for text in firsts if re.fullmatch(r"[\w./-]+", text))


def stated_size(request: NamedNetwork, network: Network) -> Size:
    """Height and width that a table states, else the network's own."""
    from search_spaces.published.base import pixels

    stated = None if network.fixed else pixels(request.input_shape, request.img_size)
    return stated or network.size
