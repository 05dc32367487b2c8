"""Number formats as a quantiser sees them: bits of weights and of activations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hw_models.errors import InputError, NotCostableError, UnknownNameError
from hw_models.spec.supported import WeightScheme, refusal

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

FLOAT: Final = ("fp64", "fp32", "tf32", "bf16", "fp16")
"""Precisions at which the accuracy of the trained network is taken to hold."""
BITS: Final = {"int16": (16, 16), "int8": (8, 8), "int4": (4, 4), "w8a16": (8, None), "w4a16": (4, None)}
"""Bits of weights and activations; None: in floating point."""


@dataclass(frozen=True, slots=True)
class Format:
    """How a layer is quantised.

    Weights are symmetric with a scale for each output channel, activations asymmetric with one scale, as
    ONNX Runtime has them by default on CPUs.

    Attributes:
        weight_bits: of a weight.
        activation_bits: of an element that the layer reads; None: in floating point.
        per_channel: each output channel has a scale of its own; else all weights share one.
    """

    weight_bits: int
    activation_bits: int | None
    per_channel: bool = True

    def __post_init__(self) -> None:
        for bits in (self.weight_bits, self.activation_bits or 8):
            if not 2 <= bits <= 16:
                raise InputError(f"{bits} bits given, expected 2 to 16")


def format_of(precision: str) -> Format | None:
    """How layers at a precision are quantised; None: they are not.

    Raises:
        UnknownNameError: a precision without a rule of quantisation.
    """
    if precision in FLOAT:
        return None
    if precision not in BITS:
        known = (*FLOAT, *BITS)
        raise UnknownNameError(
            "precision that is quantised here", precision, known, f"known: {', '.join(known)}"
        )
    return Format(*BITS[precision])


def check_legal(chip: Accelerator, precision: str) -> None:
    """Whether a chip runs weights as they are quantised here: symmetric, a scale for each output channel.

    Raises:
        NotCostableError: it lacks the precision, or its file lists other schemes only.
    """
    engine = chip.main_engine
    form = format_of(precision)
    if precision not in engine.peak:
        known = ", ".join(engine.peak) or "none"
        raise NotCostableError(f"{chip.label} has no known peak at {precision}; known: {known}")
    if form is None:
        return
    asked = WeightScheme(granularity="per_channel" if form.per_channel else "per_tensor")
    reason = refusal(engine, precision, asked)
    if reason:
        raise NotCostableError(f"{chip.label}: {reason}")
