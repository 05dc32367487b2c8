"""Whether a supernet ranks networks as training them alone does, from networks of which both are known."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import InputError, StorageError
from hw_models.validation.metrics import kendall_tau

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

AGREEMENT_FORMAT: Final = 1
"""Version of the file; another one is refused, never misread."""
FEWEST: Final = 30
"""Networks below which an agreement says too little to rank by."""
RANKS_FROM: Final = 0.6
"""Kendall's tau below which a supernet does not rank."""
DRAWS: Final = 2000
"""Bootstrap samples of the networks."""


@dataclass(frozen=True)
class RankAgreement:
    """Errors of the same networks with shared weights and after training alone, in per cent.

    Attributes:
        networks: keys of the candidates.
        shared: (n,) errors with shared weights, on the validation images.
        alone: (n,) errors of networks trained alone.
        params: (n,) parameters, the ranking that costs nothing.
        what: what `alone` is, in words.
        weights: digest of the shared weights.
    """

    networks: tuple[str, ...]
    shared: tuple[float, ...]
    alone: tuple[float, ...]
    params: tuple[int, ...]
    what: str
    weights: str

    def __post_init__(self) -> None:
        lengths = {len(self.networks), len(self.shared), len(self.alone), len(self.params)}
        if len(lengths) > 1 or len(self.networks) < 3:
            told = ", ".join(str(n) for n in sorted(lengths))
            msg = f"{told} networks and figures given, expected as many of each, at least 3"
            raise InputError(msg)

    @property
    def n(self) -> int:
        """Networks."""
        return len(self.networks)

    @property
    def tau(self) -> float:
        """Kendall's tau-b of the two errors; 0 where one of them never differs."""
        return kendall_tau(np.array(self.shared), np.array(self.alone)) or 0.0

    @property
    def tau_of_params(self) -> float:
        """The same where the network with more parameters counts as the better one."""
        return kendall_tau(-np.array(self.params, float), np.array(self.alone)) or 0.0

    @cached_property
    def interval(self) -> tuple[float, float]:
        """The 90 % interval of `tau`: networks are drawn again, with a seed that never changes."""
        rng = np.random.default_rng(0)
        shared, alone = np.array(self.shared), np.array(self.alone)
        draws = rng.integers(self.n, size=(DRAWS, self.n))
        found = _taus(shared[draws], alone[draws])
        low, high = np.nanquantile(found, (0.05, 0.95))
        return float(low), float(high)

    @property
    def ranks(self) -> bool:
        """Whether enough networks say that this supernet may rank."""
        return self.n >= FEWEST and self.tau >= RANKS_FROM

    @cached_property
    def scatter(self) -> float:
        """Points within which 90 % of shared errors lie of what the error alone would make them.

        From the residuals of a straight line through (alone, shared), each as if that network had not been in
        the fit, by the rank that split conformal prediction takes.

        Source: Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 2009, section 7.10
        (leave-one-out residuals); Lei et al., Distribution-Free Predictive Inference, JASA 113, 2018.
        """
        x, y = np.array(self.alone), np.array(self.shared)
        spread = float(((x - x.mean()) ** 2).sum())
        slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread if spread else 0.0
        leverage = 1 / self.n + ((x - x.mean()) ** 2 / spread if spread else 0.0)
        left_out = np.sort(np.abs(y - y.mean() - slope * (x - x.mean())) / np.maximum(1 - leverage, 1e-9))
        rank = math.ceil(0.9 * (self.n + 1))
        return float(left_out[min(rank, self.n) - 1])

    @property
    def told(self) -> str:
        """One sentence, as a front shows it."""
        low, high = self.interval
        beside = f"by parameter count {self.tau_of_params:.2f}"
        if self.tau_of_params >= self.tau:
            beside = f"{beside}: the supernet does not beat it"
        return (
            f"supernet against {self.n} networks trained alone ({self.what}): Kendall tau {self.tau:.2f} "
            f"(90 % {low:.2f} to {high:.2f}); {beside}"
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON keeps it."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RankAgreement:
        """Read what `to_dict` wrote."""
        told: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in data.items()}
        return cls(**told)


def _taus(a: NDArray[np.float64], b: NDArray[np.float64]) -> Sequence[float]:
    """Kendall's tau-b of each pair of rows; NaN where a row never differs.

    Source: Kendall, The treatment of ties in ranking problems, Biometrika 33, 1945.
    """
    first, second = np.triu_indices(a.shape[1], 1)
    found = []
    for x, y in zip(a, b, strict=True):
        dx, dy = np.sign(x[first] - x[second]), np.sign(y[first] - y[second])
        norm = math.sqrt(float(np.abs(dx).sum()) * float(np.abs(dy).sum()))
        found.append(float((dx * dy).sum()) / norm if norm else math.nan)
    return found


def read(file: Path, key: Mapping[str, Any]) -> RankAgreement | None:
    """The comparison of one supernet; None where there is no file.

    Args:
        file: that `write` wrote.
        key: what the supernet is of.

    Raises:
        StorageError: a file that is none, of another format, or of another supernet.
    """
    try:
        data = json.loads(file.read_text("utf-8"))
        fine = data["format"] == AGREEMENT_FORMAT and data["key"] == key
        found = RankAgreement.from_dict(data["agreement"]) if fine else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, InputError) as error:
        why = f"{type(error).__name__}: {error}"
        msg = f"{file} is no comparison of a supernet ({why}); delete it and compare again"
        raise StorageError(msg) from error
    if found is None:
        msg = f"{file} is of another supernet or version; delete it and compare again"
        raise StorageError(msg)
    return found


def write(file: Path, key: Mapping[str, Any], found: RankAgreement) -> None:
    """Replace the comparison as a whole.

    Raises:
        StorageError: it cannot be written.
    """
    data = {"format": AGREEMENT_FORMAT, "key": key, "agreement": found.to_dict()}
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.write_text(json.dumps(data, ensure_ascii=False, indent=1), "utf-8")
        draft.replace(file)
    except OSError as error:
        msg = f"{file}: the comparison could not be written: {error.strerror}; the trainings are safe"
        raise StorageError(msg) from error
