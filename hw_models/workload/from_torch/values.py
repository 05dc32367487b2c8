"""Values of tensors that do not depend on the network's input, computed only when somebody asks.

On the meta device no tensor has data, yet a forward pass may ask for the value of a constant: a length that
it built with `arange`, a mask that it selects with, a buffer that it turns into a number. What makes such a
tensor is remembered, and is run on the CPU if its value is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

CPU = torch.device("cpu")


class Recipe(NamedTuple):
    """A call that makes constants: operator, arguments, tensors it reads, which of its results is wanted."""

    func: Any
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    reads: tuple[int, ...]
    result: int


class Values:
    """What is known of the values of the graph's tensors, by tensor index."""

    def __init__(self) -> None:
        self._recipes: dict[int, Recipe] = {}
        self._values: dict[int, Tensor] = {}

    def give(self, index: int, value: Tensor) -> None:
        """Set the value of a tensor that came with data."""
        self._values[index] = value

    def knows(self, indices: Sequence[int]) -> bool:
        """Whether every one of these has a value or a recipe."""
        return all(i in self._values or i in self._recipes for i in indices)

    def remember(self, made: Sequence[int], reads: Sequence[int], func: Any, args: Any, kwargs: Any) -> None:
        """Keep how tensors were made, where all that was read is known."""
        if self.knows(reads):
            for position, index in enumerate(made):
                self._recipes[index] = Recipe(func, args, kwargs, tuple(reads), position)

    def of(self, index: int) -> Tensor:
        """The value of a known tensor, on the CPU."""
        value = self._values.get(index)
        if value is None:
            recipe = self._recipes[index]
            results = self.run(recipe.func, recipe.args, recipe.kwargs, recipe.reads)
            value = results if isinstance(results, Tensor) else results[recipe.result]
            self._values[index] = value
        return value

    def run(self, func: Any, args: Sequence[Any], kwargs: Mapping[str, Any], reads: Sequence[int]) -> Any:
        """Run an operator for real; every one of `reads`, its tensor arguments in order, is known."""
        stand_ins = (self.of(i).clone() for i in reads)
        named = {k: _with_values(v, stand_ins) for k, v in kwargs.items() if not isinstance(v, Tensor)}
        positional = [_with_values(a, stand_ins) for a in args]
        named |= {k: _with_values(v, stand_ins) for k, v in kwargs.items() if isinstance(v, Tensor)}
        return func(*positional, **named)


def _with_values(argument: Any, stand_ins: Iterator[Tensor]) -> Any:
    """An argument with its tensors replaced, and on the CPU instead of the meta device."""
    if isinstance(argument, Tensor):
        return next(stand_ins)
    if isinstance(argument, list | tuple) and any(isinstance(a, Tensor) for a in argument):
        return [_with_values(a, stand_ins) for a in argument]
    return CPU if isinstance(argument, torch.device) else argument
