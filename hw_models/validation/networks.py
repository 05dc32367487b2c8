"""The networks that measurements name, each in the form that was run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from hw_models.errors import CodesignError
from hw_models.workload.conventions import nearest_count
from hw_models.workload.graph import Workload
from hw_models.workload.named import NamedNetwork

SAME_PARAMS: Final = 0.02
"""Largest relative difference of parameter counts at which two networks of one name are the same."""

SAME_MACS: Final = 0.05
"""The same for multiply-accumulates: sources differ in whether they count what is no contraction."""

SAME_FORM: Final = 0.002
"""The same for two forms of one network."""

PRINTED: Final = (1e6, 1e5, 1e4)
"""Last digits of parameters that sources print, in millions: "29.0" for 28.29 where none is left."""

REPARAMETERIZED_SINCE: Final = (2, 9)
"""From this PyTorch release on, re-parameterised networks were benchmarked; only where to look first."""

Resolver = Callable[[NamedNetwork], Workload]
"""Builds a network as its table names it, at batch 1."""


class Networks:
    """Answers of a resolver, each network asked for once."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._shelf: dict[NamedNetwork, Workload | str] = {}

    def as_run(self, network: NamedNetwork, release: str | None = None) -> Workload | str:
        """The form of a network that a row measured, or the reason why there is none.

        A network with branches for training alone was run with or without them; its parameters tell which.

        Args:
            network: as the row names it; `params` and `macs` are held against the network that is built.
            release: of PyTorch, where that ran it; None: the builder knows in which form its source runs it.
        """
        best: Workload | None = None
        reasons: list[str] = []
        params = network.params or np.nan
        for form in self._forms(network, release):
            if isinstance(form, str):
                reasons.append(form)
                continue
            if best is None or _difference(form, params) < _difference(best, params):
                best = form
            if _difference(best, params) <= SAME_FORM:
                break
        if best is None:
            return reasons[0]
        return _another(network, best, check_macs=release is None) or best

    def _forms(self, network: NamedNetwork, release: str | None) -> Iterator[Workload | str]:
        """What may have run, the likelier form first."""
        # what was stated is held against the answer, and two statements of one network are one network
        asked = replace(network, params=None, macs=None) if release is not None else network
        if release is None:
            yield self._answer(asked, None)
            return
        likely = _release(release) >= REPARAMETERIZED_SINCE
        for reparameterize in (likely, not likely):
            form = replace(asked, reparameterize=reparameterize)
            yield self._answer(form, replace(asked, reparameterize=not reparameterize))

    def _answer(self, network: NamedNetwork, other: NamedNetwork | None) -> Workload | str:
        """The kept answer; the other form's object where both are one network, so that it is lowered once."""
        if network not in self._shelf:
            form = self._ask(network)
            twin = self._shelf.get(other) if other is not None else None
            if isinstance(form, Workload) and isinstance(twin, Workload) and _same(form, twin):
                form = twin
            self._shelf[network] = form
        return self._shelf[network]

    def _ask(self, network: NamedNetwork) -> Workload | str:
        """What the resolver answers, or its refusal as a reason."""
        try:
            return self._resolver(network)
        except Exception as error:
            said = (str(error).splitlines() or ["no reason given"])[0]
            kind = "" if isinstance(error, CodesignError) else f"{type(error).__name__}: "
            return f"the network cannot be had: {kind}{said}"


def _another(network: NamedNetwork, built: Workload, *, check_macs: bool) -> str | None:
    """Why the network that was built is not the one that was measured; None where it may be.

    MACs of tables of PyTorch are not held against it: some releases leave attention out.
    """
    params, macs = network.params or np.nan, network.macs or np.nan
    another = f"another network than was measured: '{network.name}' has"
    if _difference(built, params) > SAME_PARAMS:
        return f"{another} {built.params / 1e6:.2f} M parameters here, {params / 1e6:.2f} M in the file"
    counted = nearest_count(built, macs) if check_macs and macs > 0 else macs
    if abs(counted / macs - 1) > SAME_MACS:
        return f"{another} {counted / 1e9:.3f} G MACs here, {macs / 1e9:.3f} G in the file"
    return None


def _difference(workload: Workload, params: float) -> float:
    """Relative difference of parameter counts beyond half of the last printed digit; 0 if not stated."""
    if not params > 0:
        return 0.0
    return max(0.0, abs(workload.params - params) - half_digit(params)) / params


def half_digit(params: float) -> float:
    """Half of the last digit that a source printed of a number of parameters in millions."""
    return next((d for d in PRINTED if round(params) % d == 0), PRINTED[-1]) / 2


def _same(one: Workload, other: Workload) -> bool:
    """Whether two workloads compute the same on the same shapes."""
    fields = ("op_kind", "op_dims", "in_ptr", "in_tensor", "tensor_ptr", "tensor_dims", "tensor_precision")
    alike = all(np.array_equal(getattr(one, f), getattr(other, f)) for f in fields)
    return alike and one.op_target == other.op_target and one.op_attrs == other.op_attrs


def _release(version: str) -> tuple[int, ...]:
    """Major and minor number; empty where the text has none."""
    numbers = version.split(" ", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")[:2]
    return tuple(int(n) for n in numbers if n.isdigit())
