"""The networks that measurements name, each in the form that was run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from hw_models.errors import CodesignError

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

SAME_PARAMS: Final = 0.02
"""Largest relative difference of parameter counts at which two networks of one name are the same."""

SAME_FORM: Final = 0.002
"""The same for two forms of one network."""

REPARAMETERIZED_SINCE: Final = (2, 9)
"""From this PyTorch release on, re-parameterised networks were benchmarked; only where to look first."""


class Resolver(Protocol):
    """Finds a network by its name in the registry that the measurements name it from."""

    def __call__(self, model: str, img_size: int | None, reparameterize: bool) -> Workload:
        """The network as a workload at batch 1; `reparameterize`: with training-time branches merged."""


class Networks:
    """Answers of a resolver, each network asked for once."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._shelf: dict[tuple[str, int | None, bool], Workload | str] = {}

    def as_run(self, name: str, img_size: int | None, params: float, version: str) -> Workload | str:
        """The form of a network that a row measured, or the reason why there is none.

        A network with branches for training alone was run with or without them; its parameters tell which.

        Args:
            name: in the registry.
            img_size: pixels; None: the network's own.
            params: as the row states them; NaN: not stated, then the release alone decides.
            version: release of the runtime.
        """
        best: Workload | None = None
        reasons: list[str] = []
        for form in self._forms(name, img_size, version):
            if isinstance(form, str):
                reasons.append(form)
                continue
            if best is None or _difference(form, params) < _difference(best, params):
                best = form
            if _difference(best, params) <= SAME_FORM:
                break
        if best is None:
            return reasons[0]
        if _difference(best, params) > SAME_PARAMS:
            has, stated = f"{best.params / 1e6:.2f} M parameters here", f"{params / 1e6:.2f} M in the file"
            return f"another network than was measured: '{name}' has {has}, {stated}"
        return best

    def _forms(self, name: str, img_size: int | None, version: str) -> Iterator[Workload | str]:
        """Both forms, the likelier one first."""
        likely = _release(version) >= REPARAMETERIZED_SINCE
        for reparameterize in (likely, not likely):
            key = (name, img_size, reparameterize)
            if key not in self._shelf:
                self._shelf[key] = self._known(self._ask(*key), (name, img_size, not reparameterize))
            yield self._shelf[key]

    def _known(self, form: Workload | str, other: tuple[str, int | None, bool]) -> Workload | str:
        """The other form's object where both are one network, so that it is lowered once."""
        twin = self._shelf.get(other)
        if isinstance(twin, str) or isinstance(form, str) or twin is None:
            return form
        return twin if _same(form, twin) else form

    def _ask(self, name: str, img_size: int | None, reparameterize: bool) -> Workload | str:
        """What the resolver answers, or its refusal as a reason."""
        try:
            return self._resolver(name, img_size, reparameterize)
        except Exception as error:
            said = (str(error).splitlines() or ["no reason given"])[0]
            kind = "" if isinstance(error, CodesignError) else f"{type(error).__name__}: "
            return f"the network cannot be had: {kind}{said}"


def _difference(workload: Workload, params: float) -> float:
    """Relative difference of parameter counts beyond two printed decimals of a million; 0 if not stated."""
    if not params > 0:
        return 0.0
    return max(0.0, abs(workload.params - params) - 0.5e4) / params


def _same(one: Workload, other: Workload) -> bool:
    """Whether two workloads compute the same on the same shapes."""
    fields = ("op_kind", "op_dims", "in_ptr", "in_tensor", "tensor_ptr", "tensor_dims", "tensor_precision")
    alike = all(np.array_equal(getattr(one, f), getattr(other, f)) for f in fields)
    return alike and one.op_target == other.op_target and one.op_attrs == other.op_attrs


def _release(version: str) -> tuple[int, ...]:
    """Major and minor number; empty where the text has none."""
    numbers = version.split(" ", maxsplit=1)[0].split("+", maxsplit=1)[0].split(".")[:2]
    return tuple(int(n) for n in numbers if n.isdigit())
