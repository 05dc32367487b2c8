"""Weights stored smaller: N:M sparsity where an engine skips zeros, and the scales of quantised groups."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log2
from typing import TYPE_CHECKING, ClassVar, Final

import numpy as np

from hw_models.cost.arrays import ACTIONS, RESOURCES, Feasibility, KernelClass
from hw_models.lowering.precision import SCHEMES
from hw_models.spec.supported import WeightScheme, pattern_of, refusal, sparse_format, sparse_refusal
from hw_models.workload.op import BITS, Precision

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hw_models.cost.arrays import FloatArray, Kernels, Terms
    from hw_models.cost.base import TermsProvider
    from hw_models.cost.chips import Chips
    from hw_models.spec.accelerator import Accelerator

WEIGHTED: Final = (KernelClass.CONV, KernelClass.POINTWISE, KernelClass.GROUPED, KernelClass.GEMM)
"""Contractions with weights that sum over channels; a depthwise one has no channels to leave out."""

SCALE_BITS: Final = 16
"""Bits of a group's scale, FP16. Source: Frantar et al., GPTQ, ICLR 2023; Lin et al., AWQ, MLSys 2024."""

CHANNELS: Final = 3
"""Position of the summed channels among the loop dimensions of convolutions and matrix products."""


@dataclass(frozen=True, slots=True)
class Compression:
    """What is done to the weights of contractions beyond the number format.

    Attributes:
        sparsity: pattern "N:M": at most N of M neighbours along the channels are not zero; None: dense.
        quantisation: scheme of the scales; None: as usual, whose scales are too few to count.
    """

    sparsity: str | None = None
    quantisation: WeightScheme | None = None

    @classmethod
    def of(cls, sparsity: str | None, quantisation: str | WeightScheme | None) -> Compression | None:
        """From what a user writes; None where nothing is asked for.

        Raises:
            InputError: no such pattern or scheme.
        """
        if sparsity is not None:
            pattern_of(sparsity)
        scheme = WeightScheme.parse(quantisation) if isinstance(quantisation, str) else quantisation
        return None if sparsity is None and scheme is None else cls(sparsity, scheme)

    @property
    def label(self) -> str:
        """As results show it: "weights 2:4, asymmetric per_group:128"."""
        sparse = [self.sparsity] if self.sparsity else []
        return "weights " + ", ".join([*sparse, *([str(self.quantisation)] if self.quantisation else [])])

    def refused(self, chip: Accelerator, precision: str) -> str | None:
        """Why the main engine of a chip cannot run it; None: it can."""
        engine = chip.main_engine
        reason = refusal(engine, precision, self.quantisation) if self.quantisation else None
        return reason or (sparse_refusal(engine, self.sparsity, precision) if self.sparsity else None)

    def factor(self, chip: Accelerator, precision: str) -> float:
        """Rate of the MACs over that of dense ones on the main engine of a chip; NaN where it refuses."""
        if self.refused(chip, precision):
            return np.nan
        found = sparse_format(chip.main_engine, self.sparsity, precision) if self.sparsity else None
        return found.factor.value if found else 1.0

    def rows(self, kernels: Kernels) -> NDArray[np.bool_]:
        """(U,) contractions whose weights the pattern divides; all of them where nothing is left out."""
        weighted = np.isin(kernels.cls, WEIGHTED) & (kernels.macs > 0) & (kernels.weight_bytes > 0)
        block = pattern_of(self.sparsity)[1] if self.sparsity else 1
        divided: NDArray[np.bool_] = weighted & (kernels.dims[:, CHANNELS] % block == 0)
        return divided

    @property
    def kept(self) -> float:
        """Share of the weights, and so of the MACs, that is left."""
        if self.sparsity is None:
            return 1.0
        n, m = pattern_of(self.sparsity)
        return n / m

    def stored_share(self, precision: Precision) -> float:
        """Bytes of compressed weights, indices and scales over those of dense ones.

        Of M weights of b bits N stay, each with an index of ceil(log2 M) bits; a group adds a scale, and a
        zero point of b bits unless it is symmetric.

        Source: NVIDIA A100 white paper 2020 (2 bits for each kept weight of 2:4); GPTQ, AWQ as above.
        """
        scheme = SCHEMES.get(precision.label)
        width = scheme.weight_bits if scheme else BITS[precision]
        share = 1.0
        if self.sparsity is not None:
            share = self.kept * (width + ceil(log2(pattern_of(self.sparsity)[1]))) / width
        if self.quantisation is not None and self.quantisation.group:
            zero_point = 0 if self.quantisation.symmetric else width
            share += (SCALE_BITS + zero_point) / (self.quantisation.group * width)
        return share

    def saved_bytes(self, kernels: Kernels) -> FloatArray:
        """(U,) bytes by which each kernel's weights shrink; below 0 where scales outweigh."""
        saved = np.zeros(kernels.n_distinct)
        rows = self.rows(kernels)
        for p in np.unique(kernels.math[rows]):
            here = rows & (kernels.math == p)
            saved[here] = kernels.weight_bytes[here] * (1.0 - self.stored_share(Precision(int(p))))
        return saved

    def stored(self, kernels: Kernels) -> Kernels:
        """The kernels with all weights as they are stored; the traffic of each is the provider's matter."""
        moved = kernels.counts @ kernels.weight_bytes
        saved = kernels.counts @ self.saved_bytes(kernels)
        share = np.divide(saved, moved, out=np.zeros_like(moved), where=moved > 0)
        return replace(kernels, weights_bytes=kernels.weights_bytes * (1.0 - share))


@dataclass(frozen=True)
class Compressed:
    """Terms of another provider with compressed weights: fewer bytes, and MACs left out at the chip's factor.

    The rate of sparse MACs is the stated factor times the dense one, and never assumed: an engine without the
    format cannot run it. Traffic inside the engine stays that of dense weights.

    Args:
        provider: of the dense terms.
        compression: what is done to the weights.
    """

    provider: TermsProvider
    compression: Compression
    contract: ClassVar[int] = 1

    @property
    def name(self) -> str:
        """Name of the dense provider."""
        return self.provider.name

    @property
    def left_out(self) -> tuple[str, ...]:
        """What the compressed terms do not include."""
        what = (
            "compressed weights: traffic inside the engine stays that of dense ones, decoding costs nothing"
        )
        return (what, "accuracy that zeros in the weights cost") if self.compression.sparsity else (what,)

    def supports(self, chip: Accelerator) -> bool:
        """As the dense provider does."""
        return self.provider.supports(chip)

    def missing(self, chip: Accelerator) -> tuple[str, ...]:
        """What the dense provider misses in the chip's file."""
        tell = getattr(self.provider, "missing", None)
        return tell(chip) if tell else ()

    def terms(self, kernels: Kernels, chips: Chips) -> Terms:
        """The dense terms, less what is saved."""
        dense = self.provider.terms(kernels, chips)
        seconds, actions = dense.seconds.copy(), dense.actions.copy()
        saved = self.compression.saved_bytes(kernels)[:, None]
        for level in ("dram", "sram"):
            _shrink(seconds, actions, level, saved)
        code = dense.feasibility.copy()
        rows = self.compression.rows(kernels)
        factor = self._factors(kernels, chips)[rows]
        seconds[rows, :, RESOURCES.index("mac")] /= factor
        actions[rows, :, ACTIONS.index("mac")] *= self.compression.kept
        lacking = np.zeros(code.shape, np.bool_)
        lacking[rows] = np.isnan(factor)
        seconds[lacking] = np.inf
        code[lacking & (code == Feasibility.OK)] = Feasibility.PRECISION
        return replace(dense, seconds=seconds, actions=actions, feasibility=code)

    def _factors(self, kernels: Kernels, chips: Chips) -> FloatArray:
        """(U, C) rate of the MACs that are asked for over the dense one; NaN where the engine refuses."""
        factor = np.ones((kernels.n_distinct, len(chips)))
        for p in np.unique(kernels.math):
            name = Precision(int(p)).label
            factor[kernels.math == p] = [self.compression.factor(c, name) for c in chips.accelerators]
        return factor


def with_sparse_weights(provider: TermsProvider, kernels: Kernels, chips: Chips) -> Terms:
    """Terms with what sparse weights gain, kernel by kernel as the network marks them (`Kernels.sparsity`).

    Where an engine's file does not list the pattern at the kernel's precision, zeros are weights like any
    others: it runs them dense. Compression that is asked for of the whole network stands instead.
    """
    dense = provider.terms(kernels, chips)
    if kernels.sparsity is None or isinstance(provider, Compressed):
        return dense
    seconds, actions = dense.seconds.copy(), dense.actions.copy()
    saved = np.zeros((kernels.n_distinct, len(chips)))
    for code, p in np.unique(np.stack([kernels.sparsity, kernels.math]), axis=1).T.tolist():
        if not code:
            continue
        compression = Compression(f"{code // 256}:{code % 256}")
        rows = np.flatnonzero(compression.rows(kernels) & (kernels.sparsity == code) & (kernels.math == p))
        factor = np.array([compression.factor(c, Precision(p).label) for c in chips.accelerators])
        gains = np.isfinite(factor)
        cells = np.ix_(rows, np.flatnonzero(gains))
        seconds[..., RESOURCES.index("mac")][cells] /= factor[gains]
        actions[..., ACTIONS.index("mac")][cells] *= compression.kept
        saved[cells] = compression.saved_bytes(kernels)[rows, None]
    for level in ("dram", "sram"):
        _shrink(seconds, actions, level, saved)
    return replace(dense, seconds=seconds, actions=actions)


def _shrink(seconds: FloatArray, actions: FloatArray, level: str, saved: FloatArray) -> None:
    """Take bytes of weights from what is read at a level, and their share from its time; one pass of them."""
    read, write = (actions[..., ACTIONS.index(f"{level}_{way}")] for way in ("read", "write"))
    before = read + write
    with np.errstate(invalid="ignore", divide="ignore"):
        less = np.minimum(saved, read)
        left = np.where(before > 0, (before - less) / before, 1.0)
    read -= less
    seconds[..., RESOURCES.index(level)] *= left
