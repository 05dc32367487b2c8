"""What may vary: knobs with a static domain, which know their values and which of them lie side by side."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from hw_models.errors import InputError, did_you_mean, nearest, sentence

Scalar = str | int | float | bool
"""What a knob's value may be: whatever JSON keeps as it is."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values.

    Args:
        values: the domain; no value twice.
        ordered: whether neighbours in `values` are alike (sizes, widths) or not (names).

    Raises:
        InputError: where there is no value, or one of them twice, or one that JSON cannot hold.
    """

    values: tuple[Scalar, ...]
    ordered: bool = False
    _members: frozenset[tuple[bool, object]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        if not self.values:
            msg = "a knob without values: Choice(()) given, expected at least one value"
            raise InputError(msg)
        wrong = [v for v in self.values if not isinstance(v, str | int | float | bool) or v != v]  # noqa: PLR0124
        if wrong:
            msg = f"knob value {wrong[0]!r} given, expected text, a number or a truth value"
            raise InputError(msg)
        object.__setattr__(self, "_members", frozenset((isinstance(v, bool), v) for v in self.values))
        if len(self._members) < len(self.values):
            twice = next(v for i, v in enumerate(self.values) if v in self.values[:i])
            msg = f"knob value {twice!r} given twice, expected every value once"
            raise InputError(msg)

    def __len__(self) -> int:
        return len(self.values)

    def __iter__(self) -> Iterator[Scalar]:
        return iter(self.values)

    def __contains__(self, value: object) -> bool:
        return isinstance(value, Hashable) and (isinstance(value, bool), value) in self._members

    def near(self, value: Scalar) -> tuple[Scalar, ...]:
        """Values one step away: the two adjacent ones where the order means something, else all others."""
        if not self.ordered:
            return tuple(v for v in self.values if v != value)
        at = self.values.index(value)
        return self.values[max(at - 1, 0) : at] + self.values[at + 1 : at + 2]


@dataclass(frozen=True, slots=True)
class IntRange:
    """An integer from `low` to `high`, both included, in steps of `step`.

    Raises:
        InputError: where the range is empty or the step is not positive.
    """

    low: int
    high: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.step < 1:
            msg = f"step {self.step} given, expected a positive integer"
            raise InputError(msg)
        if self.high < self.low:
            msg = f"a knob without values: IntRange({self.low}, {self.high}) given, expected low <= high"
            raise InputError(msg)

    def __len__(self) -> int:
        return (self.high - self.low) // self.step + 1

    def __iter__(self) -> Iterator[Scalar]:
        return iter(range(self.low, self.high + 1, self.step))

    def __contains__(self, value: object) -> bool:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return whole and value in range(self.low, self.high + 1, self.step)

    def near(self, value: Scalar) -> tuple[Scalar, ...]:
        """The values one step below and above."""
        return tuple(v for v in (int(value) - self.step, int(value) + self.step) if v in self)


@dataclass(frozen=True, slots=True)
class Bool:
    """Yes or no."""

    def __len__(self) -> int:
        return 2

    def __iter__(self) -> Iterator[Scalar]:
        return iter((False, True))

    def __contains__(self, value: object) -> bool:
        return isinstance(value, bool)

    def near(self, value: Scalar) -> tuple[Scalar, ...]:
        """The other one."""
        return (not value,)


Knob = Choice | IntRange | Bool


def expected(knob: Knob, given: object = None) -> str:
    """The domain of a knob in words, with the nearest values to `given` where there are many."""
    if isinstance(knob, IntRange):
        step = "" if knob.step == 1 else f" in steps of {knob.step}"
        return f"expected an integer from {knob.low} to {knob.high}{step}"
    if len(knob) <= 12:
        return f"expected one of {', '.join(repr(v) for v in knob)}"
    near = nearest(str(given), [str(v) for v in knob])
    return sentence(f"expected one of {len(knob)} values", did_you_mean(near))
