"""Rules from names to architectures of our own: a pattern, what makes it, and what its groups mean."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from hw_models.errors import InputError
from search_spaces.published.base import Ids, Option, Shape, own

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

Built = tuple[str, dict[str, Option], tuple[Shape | Ids, ...]]
"""What makes a network, its options, and its inputs where they are not one image."""

Rule = tuple[str, Callable[[re.Match[str]], Built]]
"""Pattern of a whole name, and what it means."""

IMAGENET = (224, 224)

SIZE: Final = "height and width of the image"
"""Value of an option that stands for what it says."""


def ours(target: str, *inputs: Shape | Ids, **options: Option) -> Callable[[re.Match[str]], Built]:
    """A function of ours; named groups of the pattern fill braces of the target, else they are options.

    Args:
        target: `module:function` of `search_spaces.vision.architectures`, or a full path.
        *inputs: of the forward pass, where they are not one image of the size that is stated.
        **options: arguments of the function.
    """

    def made(match: re.Match[str]) -> Built:
        groups = {k: v for k, v in match.groupdict().items() if v is not None}
        filled = {k for k in groups if f"{{{k}}}" in target}
        given = {k: value_of(v) for k, v in groups.items() if k not in filled}
        return target.format(**groups), {**options, **given}, inputs

    return made


def value_of(text: str) -> Option:
    """A whole number, a decimal one ("0.25", "0_25"), or the text itself."""
    if text.isdigit():
        return int(text)
    decimal = text.replace("_", ".")
    return float(decimal) if re.fullmatch(r"\d+\.\d+", decimal) else text


def built(
    request: NamedNetwork, rules: Iterable[Rule], name: str, size: tuple[int, int] | None, channels: int = 3
) -> Workload | None:
    """The network that the first fitting rule means; None where none fits.

    Args:
        request: what was asked for.
        rules: patterns, case ignored.
        name: to be looked up.
        size: height and width of the image; 224 pixels where none is stated.
        channels: of the image.

    Raises:
        InputError: where it cannot take that size.
    """
    for pattern, meaning in rules:
        if match := re.fullmatch(pattern, name, re.IGNORECASE):
            target, options, inputs = meaning(match)
            size = size or IMAGENET
            options = {k: size if v == SIZE else v for k, v in options.items()}
            shapes = inputs or ((1, channels, *size),)
            try:
                return own(target, *shapes, name=request.name, **options)
            except KeyError as error:
                msg = f"{request.name} cannot be built: {target} has no size {error}"
                raise InputError(msg) from error
    return None
