"""Networks of the registries in the form that compilers are given: parallel branches merged."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from hw_models.errors import InputError
from search_spaces.published import registries
from search_spaces.published.base import pixels, squashed
from search_spaces.vision.timm_models import timm_architectures, timm_workload

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

Renaming = Iterable[tuple[str, str]]
"""Patterns of whole names, and what the registries call them (groups as in `re.Match.expand`)."""


def renamed(name: str, rules: Renaming) -> str:
    """A name as the registries write it, by the first rule that fits; as it is where none does."""
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name, re.IGNORECASE):
            return match.expand(replacement)
    return name


def deployed(request: NamedNetwork, name: str) -> Workload | None:
    """The network of torchvision or timm that a name means; None where neither has it.

    Of a network with branches for training alone that is the merged form, unless the figures of the table
    are those of the other.

    Args:
        request: what was asked for.
        name: as the registries may write it.
    """
    name = registries.plain(name)
    size = pixels(request.input_shape, request.img_size)
    same = [n for n in timm_architectures() if squashed(n) == squashed(name)]
    if not same or squashed(name) in {squashed(n) for n in registries.torchvision_entries()}:
        return registries.registered(request, name)
    forms = []
    for merged in (True, False):
        try:
            forms.append(timm_workload(same[0], size, reparameterize=merged))
        except InputError:
            if not merged:
                raise
    return min(forms, key=lambda form: registries.misfit(form, request))
