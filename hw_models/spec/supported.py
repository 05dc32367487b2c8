"""What an engine may run: schemes of quantised arithmetic, sparse formats; and why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self, get_args

from typing_extensions import override

from hw_models.errors import InputError, sentence

if TYPE_CHECKING:
    from hw_models.spec.parts import Engine, Operand, Quantisation, Sparsity

Granularity = Literal["per_tensor", "per_channel", "per_group"]

GRANULARITIES: Final[tuple[str, ...]] = get_args(Granularity)


@dataclass(frozen=True, slots=True)
class WeightScheme:
    """How weights are quantised.

    Attributes:
        symmetric: zero points are all zero.
        granularity: what shares one scale.
        group: weights that share a scale, where it is per group.
    """

    symmetric: bool = True
    granularity: Granularity = "per_channel"
    group: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From words: "symmetric per_channel", "asymmetric per_group:128"; what is left out is usual.

        Raises:
            InputError: any other word.
        """
        symmetric, granularity, group = True, "per_channel", None
        for word in text.replace(",", " ").split():
            name, _, size = word.partition(":")
            if word in {"symmetric", "asymmetric"}:
                symmetric = word == "symmetric"
            elif name in GRANULARITIES and (not size or (name == "per_group" and size.isdecimal())):
                granularity, group = name, int(size) if size else None
            else:
                words = ", ".join(("symmetric", "asymmetric", *GRANULARITIES, "per_group:128"))
                raise InputError(f"'{word}' in quantisation '{text}' is unknown; expected of {words}")
        if (granularity == "per_group") != bool(group):
            raise InputError(f"quantisation '{text}' lacks the size of a group; write it as per_group:128")
        return cls(symmetric, granularity, group)  # type: ignore[arg-type]

    @override
    def __str__(self) -> str:
        size = f":{self.group}" if self.group else ""
        return f"{'symmetric' if self.symmetric else 'asymmetric'} {self.granularity}{size}"


def stated_scheme(stated: Quantisation) -> WeightScheme:
    """A scheme that a chip's file lists."""
    return WeightScheme(stated.symmetric, stated.granularity, stated.group)


def covers(stated: WeightScheme, asked: WeightScheme) -> bool:
    """Whether hardware for one scheme runs another: the same one, or a special case of it.

    Symmetric is asymmetric with zero points of zero; one scale per tensor is equal scales per channel; a
    group is several smaller ones with equal scales.
    """
    if stated.symmetric and not asked.symmetric:
        return False
    if stated.granularity == asked.granularity:
        return stated.group is None or (asked.group or 0) % stated.group == 0
    return (stated.granularity, asked.granularity) == ("per_channel", "per_tensor")


def refusal(engine: Engine, precision: str, asked: WeightScheme) -> str | None:
    """Why an engine cannot run weights quantised that way; None: it can, or its file does not say.

    Args:
        engine: of a chip.
        precision: number format, "int8" or "w4a16".
        asked: scheme of the weights.
    """
    if engine.quantisation is None:
        return None
    here = [stated_scheme(q) for q in engine.quantisation if q.precision == precision]
    if any(covers(scheme, asked) for scheme in here):
        return None
    legal = ", ".join(str(scheme) for scheme in here) or "none"
    others = dict.fromkeys(q.precision for q in engine.quantisation if q.precision != precision)
    beside = f"schemes at {', '.join(others)} too" if others else ""
    return sentence(f"'{engine.name}' does not run {precision} {asked}", f"legal there: {legal}", beside)


def sparse_format(
    engine: Engine, pattern: str, precision: str, operand: Operand = "weight"
) -> Sparsity | None:
    """The supported format of that pattern, precision and operand; None: it would run dense."""
    for found in engine.sparse_formats:
        if (found.pattern, found.precision, found.operand) == (pattern, precision, operand):
            return found
    return None


def sparse_refusal(engine: Engine, pattern: str, precision: str) -> str | None:
    """Why weights of that sparsity gain nothing on an engine; None: they do."""
    if sparse_format(engine, pattern, precision) is not None:
        return None
    known = ", ".join(f"{s.pattern} {s.operand}s at {s.precision}" for s in engine.sparse_formats)
    return f"'{engine.name}' does not support {pattern} weights at {precision}; supported: {known or 'none'}"


def pattern_of(text: str) -> tuple[int, int]:
    """N and M of a sparse pattern "N:M", of which at most N of M neighbours are not zero.

    Raises:
        InputError: not such a pattern, or N not below M.
    """
    left, _, right = text.partition(":")
    if not (left.isdecimal() and right.isdecimal() and 0 < int(left) < int(right)):
        raise InputError(f"'{text}' is no sparse pattern; expected N:M with N below M, for example 2:4")
    return int(left), int(right)
