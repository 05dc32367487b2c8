"""The seam of the tiled model: an organisation of MAC array and memories, and its terms of contractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, runtime_checkable

BESIDE: Final = ("dram_read", "dram_write", "sram_read", "sram_write")
"""Last axis of what moves beside a contraction, in byte: from and to the external memory, the last on-chip
one."""

Aim = Literal["latency", "thrifty", "energy", "edp"]
"""What mappings are chosen by: least latency; least energy at no more than 1 % over the least latency; least
energy; least product of both. Energy is that of what is computed and moved, without what the chip draws
meanwhile."""

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.cost.tiled.problem import Problems
    from hw_models.spec.accelerator import Accelerator


@dataclass(frozen=True, slots=True)
class Parameter:
    """A figure that an organisation reads from `dataflow.parameters` of a chip's engine.

    Attributes:
        unit: of the number, "1" for a pure one.
        meaning: what it is.
        default: what stands where the chip's file leaves it out; None: it must be given.
        source: where the default is from.
    """

    unit: str
    meaning: str
    default: float | None = None
    source: str = ""


@dataclass(frozen=True, eq=False)
class TiledTerms:
    """What D contractions ask of C chips of one organisation, in the layout of `hw_models.cost.arrays.Terms`.

    Attributes:
        seconds: (D, C, R) time each resource needs alone; NaN: not modelled; inf: cannot run.
        actions: (D, C, A) actions counted, as `ACTIONS`; NaN: not modelled.
        feasibility: (D, C) `Feasibility` codes; demand, bound: (D, C) the figures behind any other than
            OK, in byte for CAPACITY.
        gap: (D, C) proven relative distance of the mapping's latency to the best there is; 0 exact, NaN where
            nothing was searched.
        mapping: (D, C) description of the mapping chosen, or None.
    """

    seconds: FloatArray
    actions: FloatArray
    feasibility: NDArray[np.int8]
    demand: FloatArray
    bound: FloatArray
    gap: FloatArray
    mapping: NDArray[np.object_] | None = None


class Organisation(Protocol):
    """One way to build an accelerator. Pure: no I/O, no globals."""

    kind: ClassVar[str]
    """Name, as `dataflow.kind` of an engine gives it."""

    parameters: ClassVar[Mapping[str, Parameter]]
    """What `dataflow.parameters` may hold."""

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """Paths of the fields that this organisation needs and the chip's file leaves open."""
        ...

    def terms(self, problems: Problems, chips: Sequence[Accelerator]) -> TiledTerms:
        """Seconds each resource needs alone and actions counted, each problem on each chip."""
        ...


@runtime_checkable
class WeighsBeside(Protocol):
    """An organisation that chooses among mappings, and takes into account what moves beside them.

    A kernel moves more than its contraction (operands of fused operators) and less (activations that are
    still on the chip from the kernel before). The best mapping depends on it; one that is chosen without it
    can be slower on a better chip. Organisations that choose nothing need not have this.
    """

    def terms_beside(
        self, problems: Problems, chips: Sequence[Accelerator], beside: FloatArray
    ) -> TiledTerms:
        """As `terms`, with `beside` (D, C, 4) bytes in the order of `BESIDE` added to every mapping's counts.

        Those of the external memory may be negative; no count falls below zero by them.
        """
        ...


@runtime_checkable
class Aims(Protocol):
    """An organisation that can choose its mappings by something else than latency."""

    def aiming(self, aim: Aim) -> Organisation:
        """The same, choosing by `aim`."""
        ...


@runtime_checkable
class RunsOthers(Protocol):
    """An organisation with rates of its own for what is not a contraction: pooling, softmax, additions."""

    def stream_terms(self, kernels: Kernels, chips: Sequence[Accelerator]) -> FloatArray:
        """(U, C, R) seconds; NaN: as on any vector unit.

        A resource that works beside others takes the place of what a vector unit would ask of it; what is
        exposed comes on top of a kernel's contractions.
        """
        ...


@runtime_checkable
class WeighsBesideGiven(Protocol):
    """An organisation that costs a given mapping together with what moves beside it, as `WeighsBeside`."""

    def terms_given_beside(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any], beside: FloatArray
    ) -> TiledTerms:
        """As `TakesMappings.terms_given`, with `beside` as in `WeighsBeside.terms_beside`."""
        ...


@runtime_checkable
class TakesMappings(Protocol):
    """An organisation that costs a mapping as it is given."""

    def terms_given(
        self, problems: Problems, chips: Sequence[Accelerator], mappings: Sequence[Any]
    ) -> TiledTerms:
        """As `terms`, for the mapping given for each of the D problems.

        A mapping is what stands for it in a mapping file: text, or a structure of dicts and lists.

        Raises:
            InputError: a mapping that does not cover its problem, or that nobody can read; a tile that does
                not fit is no error but a code with demand and bound.
        """
        ...
