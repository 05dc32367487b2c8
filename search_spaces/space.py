"""What a search space is: declared knobs and one `build`; everything else follows and may be made faster.

A space holds no trial and no sampler: the same object is sampled, enumerated, mutated, counted and replayed
from JSON. Knob domains are static. A knob that does not apply to a choice is ignored by `build`, and
`canonical` removes it or sets it to the one value that counts, so that equal networks have equal canonical
candidates.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from hw_models.errors import InputError, UnknownNameError
from search_spaces.candidate import Candidate
from search_spaces.knobs import Knob, expected

if TYPE_CHECKING:
    import numpy as np

    from hw_models.spec.accelerator import Accelerator
    from hw_models.workload.graph import Workload
    from search_spaces.product import Product


@runtime_checkable
class SearchSpace(Protocol):
    """Knobs and one `build`. Subclass it: only `name`, `knobs` and `build` must be written.

    The `build` of a network space returns a network (a `torch.nn.Module`), that of a chip family an
    `Accelerator`.
    """

    @property
    def name(self) -> str:
        """Name of the space, as it stands in tables and run folders."""
        ...

    @property
    def knobs(self) -> Mapping[str, Knob]:
        """What may vary, in the order in which tables show it."""
        ...

    def build(self, candidate: Candidate) -> Any:
        """The network (or chip) that a candidate stands for."""
        ...

    def workload(self, candidate: Candidate) -> Workload:
        """What the network computes and moves, at batch 1; here by building and tracing it.

        A space that knows its operators in closed form overrides this.
        """
        from hw_models.workload.from_torch import trace

        shape = getattr(self, "input_shape", (1, 3, 224, 224))
        return trace(self.build(candidate), shape, name=self.label(candidate))

    def label(self, candidate: Candidate) -> str:
        """A short name of the candidate for tables and axes."""
        return "-".join(str(v) for v in self.canonical(candidate).values())

    @property
    def size(self) -> int:
        """Number of canonical candidates; here the product of the domains."""
        return math.prod(len(k) for k in self.knobs.values())

    def canonical(self, candidate: Candidate) -> Candidate:
        """The one candidate that stands for all that mean the same; here itself, once checked."""
        return check(self, candidate)

    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """Canonical candidates one edit away, without the candidate itself and without repeats."""
        return one_edit_neighbours(self, candidate)

    def candidates(self) -> Iterator[Candidate]:
        """Every canonical candidate once, in an order that never changes."""
        seen: set[Candidate] = set()
        for values in itertools.product(*self.knobs.values()):
            candidate = self.canonical(Candidate(dict(zip(self.knobs, values, strict=True))))
            if candidate not in seen:
                seen.add(candidate)
                yield candidate

    def sample(self, rng: np.random.Generator) -> Candidate:
        """A canonical candidate, every knob drawn uniformly."""
        drawn = {}
        for name, knob in self.knobs.items():
            at = int(rng.integers(len(knob)))
            drawn[name] = next(itertools.islice(knob, at, None))
        return self.canonical(Candidate(drawn))

    def __mul__(self, chips: SearchSpace | Sequence[Accelerator | str]) -> Product:
        """The joint space of these networks and those chips (a chip family, or a list of chips)."""
        from search_spaces.product import Product

        return Product.of(self, chips)


def check(space: SearchSpace, candidate: Candidate) -> Candidate:
    """The candidate, if every knob is set to a value of its domain.

    Raises:
        UnknownNameError: a knob that the space does not have.
        InputError: a knob that is not set, or set to a value outside its domain.
    """
    knobs = space.knobs
    for name, value in candidate.items():
        if name not in knobs:
            what = f"knob of the space '{space.name}'"
            raise UnknownNameError(what, name, knobs, f"`codesign spaces show {space.name}` lists the knobs")
        if value not in knobs[name]:
            msg = (
                f"knob '{name}' of the space '{space.name}': {value!r} given, {expected(knobs[name], value)}"
            )
            raise InputError(msg)
    missing = [n for n in knobs if n not in candidate]
    if missing:
        msg = f"knob '{missing[0]}' of the space '{space.name}' is not set, {expected(knobs[missing[0]])}"
        raise InputError(msg)
    return candidate


def filled(space: SearchSpace, candidate: Candidate) -> Candidate:
    """The candidate with every knob set: one that was removed has the first value of its domain."""
    first = {n: next(iter(k)) for n, k in space.knobs.items() if n not in candidate}
    return Candidate({**first, **candidate}) if first else candidate


def one_edit_neighbours(space: SearchSpace, candidate: Candidate) -> tuple[Candidate, ...]:
    """Canonical candidates that differ by one step of one knob that applies, in knob order."""
    here = space.canonical(candidate)
    whole = filled(space, here)
    found: dict[Candidate, None] = {}
    for name, knob in space.knobs.items():
        if name not in here:
            continue
        for value in knob.near(here[name]):
            found.setdefault(space.canonical(whole.replace(**{name: value})))
    found.pop(here, None)
    return tuple(found)
