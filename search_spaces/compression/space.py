"""Any space of networks, with compression as further knobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from typing_extensions import override

from hw_models.errors import InputError
from hw_models.spec.supported import pattern_of
from search_spaces.candidate import Candidate
from search_spaces.compression import groups as layer_groups
from search_spaces.compression.marks import BASE, DENSE, marked, stored
from search_spaces.compression.pruning import MULTIPLE, Plan, check_ratio, cut, plan_of, pruned_workload
from search_spaces.knobs import Choice, Knob
from search_spaces.space import SearchSpace, check

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload
    from search_spaces.compression.groups import Grouping


@dataclass(frozen=True)
class Compressed(SearchSpace):
    """The networks of a space, compressed: workload, cost and module change together.

    Every layer group has a knob for each kind of compression that has more than one value: `precision_NAME`,
    `prune_NAME`, `weights_NAME`.

    Attributes:
        space: of the networks.
        groups: so many parts of each network, or patterns of module paths by name. What is in no group
            stays as it is.
        precisions: schemes that a group may run at; "base": the precision of the network.
        prune: shares of the channels that may go.
        weights: "dense", or a pattern such as "2:4".
        multiple: channels are kept in multiples of this.
        unsupported: what to do with layers whose channels cannot be followed: "refuse", or "leave" them
            whole.
    """

    space: SearchSpace
    groups: Grouping = 4
    precisions: tuple[str, ...] = (BASE, "int8")
    prune: tuple[float, ...] = (0.0,)
    weights: tuple[str, ...] = (DENSE,)
    multiple: int = MULTIPLE
    unsupported: Literal["refuse", "leave"] = "refuse"
    _read: dict[Candidate, Workload] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for precision in self.precisions:
            if precision != BASE:
                stored(precision)
        for ratio in self.prune:
            check_ratio(ratio, f"for '{self.name}'")
        for pattern in self.weights:
            if pattern != DENSE:
                pattern_of(pattern)
        if self.multiple < 1:
            raise InputError(f"multiple={self.multiple!r} given, expected a positive number of channels")
        if self.unsupported not in {"refuse", "leave"}:
            raise InputError(f"unsupported={self.unsupported!r} given, expected 'refuse' or 'leave'")
        clash = sorted(set(self._own) & set(self.space.knobs))
        if clash:
            msg = f"knob '{clash[0]}' is in '{self.space.name}' already; give the layer groups other names"
            raise InputError(msg)

    @property
    @override
    def name(self) -> str:
        return f"compressed {self.space.name}"

    @property
    def n_classes(self) -> int | None:
        """Of the networks; None where their space does not say."""
        return getattr(self.space, "n_classes", None)

    @cached_property
    def _own(self) -> dict[str, Knob]:
        kinds = {
            "precision": Choice(self.precisions),
            "prune": Choice(tuple(map(float, self.prune)), ordered=True),
            "weights": Choice(self.weights),
        }
        told = layer_groups.names(self.groups)
        return {f"{kind}_{name}": k for kind, k in kinds.items() if len(k) > 1 for name in told}

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return {**self.space.knobs, **self._own}

    @property
    @override
    def size(self) -> int:
        ways = 1
        for knob in self._own.values():
            ways *= len(knob)
        return self.space.size * ways

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        inner = set(self.space.knobs)
        network = self.space.canonical(Candidate({k: v for k, v in candidate.items() if k not in self._own}))
        own = {k: v for k, v in candidate.items() if k not in inner}
        check(_Own(self.name, self._own), Candidate(own))
        return Candidate({**network, **own})

    def network(self, candidate: Candidate) -> Candidate:
        """The network that is compressed, as a candidate of its own space."""
        return self.space.canonical(Candidate({k: v for k, v in candidate.items() if k not in self._own}))

    @override
    def label(self, candidate: Candidate) -> str:
        own = [_short(candidate[k]) for k in self._own]
        return f"{self.space.label(self.network(candidate))}-{'.'.join(own)}"

    def chosen(self, candidate: Candidate, kind: Literal["precision", "prune", "weights"]) -> dict[str, Any]:
        """What a candidate chooses for each layer that is in a group, by module path."""
        domain: Mapping[str, tuple[Any, ...]] = {
            "precision": self.precisions,
            "prune": self.prune,
            "weights": self.weights,
        }
        only = domain[kind][0]
        where = layer_groups.group_of(self._whole(self.network(candidate)), self.groups)
        return {path: candidate.get(f"{kind}_{name}", only) for path, name in where.items()}

    def plan(self, candidate: Candidate) -> Plan:
        """Which channels a candidate loses.

        Raises:
            InputError: channels that cannot be followed.
        """
        whole = self._whole(self.network(candidate))
        leave = self.unsupported == "leave"
        return plan_of(whole, self.chosen(candidate, "prune"), self.multiple, leave=leave)

    @override
    def workload(self, candidate: Candidate) -> Workload:
        from hw_models.workload.graph import renamed

        here = self.canonical(candidate)
        whole = self._whole(self.network(here))
        pruned = pruned_workload(whole, self.plan(here))
        told = marked(pruned, self.chosen(here, "precision"), self.chosen(here, "weights"))
        return renamed(told, self.label(here))

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        """The smaller network with its masks, weights random; `compress` does the same to a trained one."""
        here = self.canonical(candidate)
        return self.compress(here, self.space.build(self.network(here)))

    def compress(self, candidate: Candidate, module: nn.Module) -> nn.Module:
        """A copy of the candidate's network, pruned and masked by the weights it has; formats come later.

        Raises:
            InputError: a layer that cannot be pruned.
        """
        from search_spaces.compression.sparse import sparsify

        here = self.canonical(candidate)
        smaller = cut(module, self.plan(here))
        for pattern in self.weights:
            if pattern != DENSE:
                paths = [p for p, w in self.chosen(here, "weights").items() if w == pattern]
                smaller = sparsify(smaller, paths, pattern)
        return smaller

    def _whole(self, network: Candidate) -> Workload:
        if network not in self._read:
            self._read[network] = self.space.workload(network)
        return self._read[network]


@dataclass(frozen=True)
class _Own(SearchSpace):
    """The knobs of compression alone, for checking them."""

    name: str = ""
    own: Mapping[str, Knob] = field(default_factory=dict)

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self.own

    @override
    def build(self, candidate: Candidate) -> Any:
        raise NotImplementedError


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
