"""How much each layer's quantisation moves the answers of a network, one layer at a time.

What a layer does to the logits of each image is kept as a vector. To first order the vectors of several
layers add up, so any mixed-precision configuration is told from them without running it again
(`Sensitivity.predict`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from codesign.quality.compression.fake_quant import quantised, ranges_of
from codesign.quality.compression.formats import FLOAT, format_of
from codesign.quality.compression.network import logits_of
from codesign.quality.compression.paired import paired
from hw_models.cost.base import Estimate
from hw_models.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from codesign.quality.compression.network import Images, Network
    from codesign.quality.compression.paired import PairedDrop

FIDELITY: Final = "layer sensitivities"
"""What a drop is called that was told from layers one at a time."""
CALIBRATION: Final = 512
"""Training images that activation ranges are taken from."""


@dataclass(frozen=True, eq=False)
class Sensitivity:
    """Answers of a network and how each layer's quantisation moves them; N images, K classes.

    Attributes:
        layers: paths, in execution order.
        precisions: formats that were tried.
        logits: (N, K) in floating point.
        noise: (L, P, N, K) logits with that layer alone in that format, less `logits`.
        labels: (N,) of the images; None: not known.
        split: whose images they are.
    """

    layers: tuple[str, ...]
    precisions: tuple[str, ...]
    logits: NDArray[np.float32]
    noise: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    split: str = ""

    @property
    def sqnr_db(self) -> NDArray[np.float64]:
        """(L, P) power of the logits over that of the noise, in dB; inf where nothing moves."""
        signal = float(np.square(self.logits, dtype=np.float64).sum())
        noise = np.square(self.noise, dtype=np.float64).sum(axis=(2, 3))
        with np.errstate(divide="ignore"):
            told: NDArray[np.float64] = 10.0 * np.log10(signal / noise)
        return told

    @property
    def agreement(self) -> NDArray[np.float64]:
        """(L, P) share of the images whose class stays."""
        named = self.logits.argmax(axis=1)
        moved = (self.logits + self.noise).argmax(axis=3)
        same: NDArray[np.float64] = (moved == named).mean(axis=2)
        return same

    def drop(self, layer: str, precision: str) -> PairedDrop | None:
        """What that layer alone costs in accuracy; None: without labels nobody knows."""
        if self.labels is None:
            return None
        at = self.noise[self._layer(layer), self._precision(precision)]
        return paired(self.logits, self.logits + at, self.labels)

    def to_frame(self) -> pd.DataFrame:
        """A row for each layer and precision: SQNR in dB, agreement, and where labels are known the drop."""
        import pandas as pd

        sqnr, agreement = self.sqnr_db, self.agreement
        rows = []
        for i, layer in enumerate(self.layers):
            for j, precision in enumerate(self.precisions):
                row = {
                    "layer": layer,
                    "precision": precision,
                    "sqnr_db": sqnr[i, j],
                    "agreement": agreement[i, j],
                }
                drop = self.drop(layer, precision)
                if drop is not None:
                    row |= {"drop_points": drop.points}
                    row |= dict(zip(("drop_low", "drop_high"), drop.interval, strict=True))
                rows.append(row)
        return pd.DataFrame(rows)

    def answers(self, precisions: Mapping[str, str]) -> NDArray[np.float32]:
        """(N, K) logits of a mixed-precision configuration, as the sum of what each layer does alone.

        Args:
            precisions: of layers by path; what is left out stays in floating point.

        Raises:
            UnknownNameError: a layer or a precision that was not tried.
        """
        found = self.logits.copy()
        for layer, precision in precisions.items():
            at = self._layer(layer)
            if precision not in FLOAT:
                found += self.noise[at, self._precision(precision)]
        return found

    def predict(self, precisions: Mapping[str, str]) -> Estimate:
        """Points of top-1 accuracy that a configuration loses, with a 90 % interval.

        An image's loss is the chance that the class named before is right less that of the class named after.
        The chances are those of the network's own softmax at the temperature that fits the labels best, with
        which a change of class weighs what it costs on average and not what it happens to cost here. The
        interval is that of so many images (`PairedDrop.interval`), without what the additive rule misses.

        Raises:
            UnknownNameError: a layer or a precision that was not tried.
            InputError: labels are not known.

        Source: first-order Taylor expansion of the logits in the quantisation noise; temperature: Guo et
        al., On Calibration of Modern Neural Networks, ICML 2017.
        """
        if self.labels is None:
            raise InputError(
                "sensitivities without labels tell SQNR and agreement, no drop; give images with labels"
            )
        after = self.answers(precisions)
        chance = self._chances
        n = np.arange(len(chance))
        loss = chance[n, self.logits.argmax(axis=1)] - chance[n, after.argmax(axis=1)]
        mean = 100.0 * float(loss.mean())
        counted = paired(self.logits, after, self.labels)
        low, high = counted.interval
        half = (high - low) / 2
        return Estimate(mean, mean - half, mean + half, FIDELITY, "%")

    @property
    def _chances(self) -> NDArray[np.float64]:
        """(N, K) chance of each class."""
        if self.labels is None:
            raise InputError("the images have no labels")
        return softmax(self.logits / temperature_of(self.logits, self.labels))

    def _layer(self, name: str) -> int:
        if name not in self.layers:
            raise UnknownNameError("layer", name, self.layers, f"{len(self.layers)} layers were tried")
        return self.layers.index(name)

    def _precision(self, name: str) -> int:
        if name not in self.precisions:
            known = ", ".join(self.precisions)
            raise UnknownNameError("precision that was tried", name, self.precisions, f"tried: {known}")
        return self.precisions.index(name)


def softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """(N, K) chances."""
    from scipy.special import softmax as of

    found: NDArray[np.float64] = of(logits.astype(np.float64), axis=1)
    return found


def temperature_of(logits: NDArray[np.floating], labels: NDArray[np.int64]) -> float:
    """What logits must be divided by for the least cross entropy.

    Source: Guo et al., On Calibration of Modern Neural Networks, ICML 2017, section 4.2.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    at = np.arange(len(labels))

    def loss(log_t: float) -> float:
        told = log_softmax(logits.astype(np.float64) / math.exp(log_t), axis=1)
        return -float(told[at, labels].mean())

    return math.exp(float(minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded").x))


def sensitivity(
    network: Network,
    images: Images,
    calibration: Images,
    precisions: Sequence[str] = ("int8",),
    *,
    progress: Callable[[str, str], None] | None = None,
) -> Sensitivity:
    """Quantise one layer at a time and keep what it does to the logits.

    Args:
        network: with norms folded.
        images: those that the answers are looked at on; not the test images.
        calibration: those that activation ranges are taken from.
        precisions: formats to try.
        progress: told each layer and precision.

    Raises:
        UnknownNameError: a precision without a rule of quantisation.
    """
    formats = {p: format_of(p) for p in precisions}
    ranges = ranges_of(network, calibration.batches())
    batches = list(images.batches())
    base = logits_of(network.module, batches)
    noise = np.zeros((len(network.layers), len(formats), *base.shape), np.float32)
    for i, layer in enumerate(network.layers):
        for j, (precision, form) in enumerate(formats.items()):
            if progress is not None:
                progress(layer, precision)
            if form is not None:
                noise[i, j] = logits_of(quantised(network, {layer: form}, ranges), batches) - base
    return Sensitivity(network.layers, tuple(formats), base, noise, images.labels, images.split)
