"""What every space must hold to: `assert problems(space) == []` is the test of an author."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.errors import CodesignError
from search_spaces.candidate import Candidate
from search_spaces.catalogue import load_space
from search_spaces.space import SearchSpace, filled

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload

COUNTED: Final = 5_000
"""Spaces up to this size are enumerated to check their size."""
FIRST: Final = 30
"""Candidates that are looked at in the order in which a space gives them."""
LOOKED_BACK: Final = (8, 4)
"""Candidates, and neighbours of each, that are asked for the way back."""
TRACED: Final = 3
"""Candidates that are built and traced."""


def problems(
    space: SearchSpace, *, samples: int = 25, seed: int = 0, build: bool = False, export: bool = False
) -> list[str]:
    """What a space does against the contract of `search_spaces.space`; empty if nothing.

    Args:
        space: the space.
        samples: random candidates that are looked at.
        seed: of the random candidates.
        build: also build a few of them: the workload must be the trace of the module in every field, and the
            smallest must run forward and backward on the CPU. Takes seconds.
        export: also export the smallest to ONNX. Takes seconds.
    """
    try:
        drawn = _drawn(space, samples, seed)
        again = _drawn(space, samples, seed)
    except CodesignError as error:
        return [f"sample raises: {error}"]
    checks = [_of_knobs(space), _of_size(space), _of_the_way_back(space, drawn)]
    checks += [check(space, candidate) for candidate in drawn for check in _CHECKS]
    if build or export:
        checks.append(_of_networks(space, drawn, build=build, export=export))
    found = [] if drawn == again else ["sample gives other candidates for the same seed"]
    for check in checks:
        try:
            found += check
        except CodesignError as error:
            found.append(f"raises what a candidate of its own should not: {error}")
    return list(dict.fromkeys(found))


def across_processes(*references: str) -> list[str]:
    """Which spaces differ between two processes that hash text differently; empty if none.

    A resumed search relies on it: the order of candidates and neighbours, samples and workloads may depend on
    nothing that changes from one process to the next, such as the order of a set.

    Args:
        references: names of spaces, as `load_space` takes them.
    """
    tellings = [_told(references, hash_seed).split() for hash_seed in ("1", "2")]
    return [
        f"{name} differs between processes: does an order come from a set, or a seed from hash()?"
        for name, one, other in zip(references, *tellings, strict=True)
        if one != other
    ]


def telling(space: SearchSpace, samples: int = 10) -> str:
    """A digest of what a search sees: knobs, candidates, samples, neighbours, workloads that are written."""
    said = hashlib.sha256(repr([(n, list(k)) for n, k in space.knobs.items()]).encode())
    drawn = _drawn(space, samples, 0)
    for candidate in [*islice(space.candidates(), samples), *drawn]:
        said.update(candidate.key.encode())
        said.update("".join(n.key for n in space.neighbours(candidate)).encode())
        said.update(space.label(candidate).encode())
    if type(space).workload is not SearchSpace.workload and hasattr(space, "write"):
        for candidate in drawn:
            said.update(_rows(space.workload(candidate)))
    return said.hexdigest()


def _rows(workload: Workload) -> bytes:
    return b"".join(a.tobytes() for a in (workload.op_kind, workload.op_dims, workload.in_tensor))


def _told(references: Sequence[str], hash_seed: str) -> str:
    code = (
        "import sys; from search_spaces.catalogue import load_space; "
        "from search_spaces.testing.conformance import telling; "
        "print(*(telling(load_space(name)) for name in sys.argv[1:]))"
    )
    for name in references:
        load_space(name)
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code, *references]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def _drawn(space: SearchSpace, samples: int, seed: int) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    return [space.sample(rng) for _ in range(samples)]


def _of_knobs(space: SearchSpace) -> Iterator[str]:
    if not space.knobs:
        yield "there is no knob"
    if dict(space.knobs) != dict(space.knobs) or list(space.knobs) != list(space.knobs):
        yield "the knobs differ from one look to the next; domains must be static"


def _of_size(space: SearchSpace) -> Iterator[str]:
    if space.size < 1:
        yield f"size is {space.size}, expected at least 1"
    if space.size > COUNTED:
        first = list(islice(space.candidates(), FIRST))
        if len(set(first)) < len(first):
            yield "candidates() repeats itself"
    else:
        every = first = list(space.candidates())
        if len(every) != space.size:
            yield f"size is {space.size}, but candidates() gives {len(every)}"
        if len(set(every)) < len(every):
            yield "candidates() repeats itself"
    if first[:FIRST] != list(islice(space.candidates(), FIRST)):
        yield "candidates() has another order when asked again"
    rough = next((c for c in first[:FIRST] if space.canonical(c) != c), None)
    if rough is not None:
        yield f"candidates() gives {rough!r}, which is not canonical"


def _of_the_way_back(space: SearchSpace, drawn: Sequence[Candidate]) -> Iterator[str]:
    """A knob that comes to apply has many values and goes again at once, so not every way leads back."""
    some, each = LOOKED_BACK
    links = [(c, n) for c in drawn[:some] for n in _spread(space.neighbours(c), each)]
    back = sum(c in space.neighbours(n) for c, n in links)
    if 2 * back < len(links):
        yield f"only {back} of {len(links)} neighbours have the candidate for a neighbour; a search gets lost"


def _spread(found: Sequence[Candidate], n: int) -> Sequence[Candidate]:
    return found[:: max(len(found) // n, 1)][:n]


def _of_canonical(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    if space.canonical(candidate) != candidate:
        yield f"canonical changes the canonical {candidate!r}"
    unknown = [k for k in candidate if k not in space.knobs]
    if unknown:
        yield f"{candidate!r} has '{unknown[0]}', which is no knob"
    outside = [k for k, v in candidate.items() if k in space.knobs and v not in space.knobs[k]]
    if outside:
        yield f"{candidate!r} sets '{outside[0]}' outside its domain"
    elif not unknown and space.canonical(filled(space, candidate)) != candidate:
        yield f"{candidate!r} is another one once the knobs that do not apply are set"


def _of_label(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    if not space.label(candidate).strip():
        yield f"{candidate!r} has no label"
    elif space.label(candidate) != space.label(candidate):
        yield f"{candidate!r} has another label when asked again"


def _of_json(space: SearchSpace, candidate: Candidate) -> Iterator[str]:  # noqa: ARG001 - one signature for all
    if Candidate.from_json(candidate.to_json()) != candidate:
        yield f"{candidate!r} does not survive JSON"


def _of_neighbours(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    near = list(space.neighbours(candidate))
    if candidate in near:
        yield f"{candidate!r} is its own neighbour"
    if len(set(near)) < len(near):
        yield f"{candidate!r} has a neighbour twice"
    rough = next((n for n in near if space.canonical(n) != n), None)
    if rough is not None:
        yield f"{candidate!r} has a neighbour that is not canonical: {rough!r}"
    if near != list(space.neighbours(candidate)):
        yield f"{candidate!r} has other neighbours when asked again"


def _of_refusal(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    wrong = {"no_such_knob": f"'no_such_knob', a knob that {space.name} does not have"}
    wrong |= {name: f"a value outside the domain of '{name}'" for name in islice(candidate, 1)}
    for name, what in wrong.items():
        try:
            space.canonical(candidate.replace(**{name: "no such value"}))
        except CodesignError:
            continue
        except Exception as error:  # whatever else it raises is what is told
            yield f"canonical raises {type(error).__name__} at {what}, expected an InputError"
            continue
        yield f"canonical accepts {what}"


def _of_networks(
    space: SearchSpace, drawn: Sequence[Candidate], *, build: bool, export: bool
) -> Iterator[str]:
    from search_spaces.testing.networks import of_export, of_trace, of_training

    if build:
        for candidate in drawn[:TRACED]:
            yield from _of_workload(space, candidate)
            yield from of_trace(space, candidate)
    least = space.canonical(filled(space, Candidate()))
    smallest = min([least, *drawn], key=lambda c: space.workload(c).macs)
    if build:
        yield from of_training(space, smallest)
    if export:
        yield from of_export(space, smallest)


def _of_workload(space: SearchSpace, candidate: Candidate) -> Iterator[str]:
    first, again = space.workload(candidate), space.workload(candidate)
    if len(first) != len(again) or first.macs != again.macs:
        yield f"{candidate!r} gives another workload when asked again"
    if first.batch != 1:
        yield f"{candidate!r} gives a workload at batch {first.batch}, expected 1"


_CHECKS: Final[tuple[Callable[[SearchSpace, Candidate], Iterator[str]], ...]] = (
    _of_canonical,
    _of_label,
    _of_json,
    _of_neighbours,
    _of_refusal,
)
