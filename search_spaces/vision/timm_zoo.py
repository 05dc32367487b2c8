"""The ImageNet networks of timm as a space: every architecture with a published top-1, at its sizes.

Source: Wightman, PyTorch Image Models, https://github.com/huggingface/pytorch-image-models (Apache-2.0); the
tables beside this file are described in `data/README.md`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, Knob
from search_spaces.space import SearchSpace, check

if TYPE_CHECKING:
    from torch import nn

    from hw_models.workload.graph import Workload

NEAR: Final = 2
"""How many smaller and how many larger networks count as neighbours, of the family and of all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One published network.

    Attributes:
        arch, img_size: architecture and side of its square input in pixels.
        weights: the published weights that the accuracy is of ("resnet50.a1_in1k").
        top1: accuracy in per cent at full precision.
        n_weights: weights published for this architecture and size.
        is_default: whether these are the ones that timm loads by default.
        params_m: parameters in 1e6.
    """

    arch: str
    img_size: int
    weights: str
    top1: float
    n_weights: int
    is_default: bool
    params_m: float

    @property
    def family(self) -> str:
        """The letters before the first figure or underscore: "resnet", "vit"."""
        return "".join(takewhile(str.isalpha, self.arch))


@dataclass(frozen=True)
class TimmZoo(SearchSpace):
    """timm's ImageNet-1k networks: `arch`, from few to many parameters, and `img_size` in pixels.

    A size that is not published for an architecture becomes the nearest one that is. Where several weights
    are published for a pair, the accuracy is that of timm's default ones, else of the first in timm's order
    (`entry(...).is_default`).
    """

    name: str = "timm_zoo"
    published_source: ClassVar[str] = (
        "huggingface/pytorch-image-models @ aa4b5850, results/results-imagenet.csv (Apache-2.0)"
    )

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return _knobs()

    @property
    @override
    def size(self) -> int:
        return len(_entries())

    @override
    def candidates(self) -> Iterator[Candidate]:
        return (Candidate(arch=e.arch, img_size=e.img_size) for e in _entries().values())

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        here = check(self, candidate)
        sizes = _sizes()[str(here["arch"])]
        wanted = int(here["img_size"])
        return Candidate(arch=here["arch"], img_size=min(sizes, key=lambda s: (abs(s - wanted), s)))

    @override
    def neighbours(self, candidate: Candidate) -> Sequence[Candidate]:
        """Adjacent sizes; the next smaller and larger networks of the family, and of all."""
        here = self.canonical(candidate)
        mine = self.entry(here)
        near = [
            here.replace(img_size=s) for s in Choice(_sizes()[mine.arch], ordered=True).near(mine.img_size)
        ]
        for archs in (_family(mine.family), tuple(_sizes())):
            at = archs.index(mine.arch)
            around = (*archs[max(at - NEAR, 0) : at], *archs[at + 1 : at + 1 + NEAR])
            near += [self.canonical(here.replace(arch=arch)) for arch in around]
        return tuple(dict.fromkeys(near))

    @override
    def label(self, candidate: Candidate) -> str:
        here = self.canonical(candidate)
        return f"{here['arch']}@{here['img_size']}"

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        """The network with random weights; `entry(candidate).weights` names the published ones."""
        import timm

        mine = self.entry(candidate)
        try:
            built: nn.Module = timm.create_model(mine.arch, img_size=mine.img_size)
        except TypeError as error:  # convolutional networks take any size and know no such argument
            if "img_size" not in str(error):
                raise
            built = timm.create_model(mine.arch)
        return built

    @override
    def workload(self, candidate: Candidate) -> Workload:
        from search_spaces.vision.timm_models import timm_workload

        mine = self.entry(candidate)
        return timm_workload(mine.arch, mine.img_size)

    def entry(self, candidate: Candidate) -> Entry:
        """What is published for a candidate."""
        here = self.canonical(candidate)
        return _entries()[str(here["arch"]), int(here["img_size"])]

    def published_top1(self, candidate: Candidate) -> float:
        """Top-1 accuracy on ImageNet-1k in per cent, as published for the weights, at full precision."""
        return self.entry(candidate).top1

    def published_note(self, candidate: Candidate) -> str:
        """Which weights the accuracy is of."""
        mine = self.entry(candidate)
        if mine.n_weights == 1:
            return f"top-1 as published for {mine.weights}"
        why = (
            "timm's default"
            if mine.is_default
            else "the first in timm's order, its default is of another size"
        )
        return f"top-1 as published for {mine.weights} ({why}, of {mine.n_weights} weights)"

    def left_out(self) -> Mapping[str, str]:
        """Published networks that are not in the space: "arch@size" -> reason."""
        return {f"{row['arch']}@{row['img_size']}": row["reason"] for row in _rows("timm_zoo_left_out.csv")}


def _rows(name: str) -> list[dict[str, str]]:
    file = files("search_spaces.vision") / "data" / name
    with file.open("r", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


@cache
def _entries() -> Mapping[tuple[str, int], Entry]:
    """Every network, from few to many parameters; the order of candidates and of the knob `arch`."""
    entries = [
        Entry(
            arch=row["arch"],
            img_size=int(row["img_size"]),
            weights=row["weights"],
            top1=float(row["top1"]),
            n_weights=int(row["n_weights"]),
            is_default=row["is_default"] == "1",
            params_m=float(row["params_m"]),
        )
        for row in _rows("timm_zoo.csv")
    ]
    fewest: dict[str, float] = {}
    for e in entries:
        fewest[e.arch] = min(e.params_m, fewest.get(e.arch, e.params_m))
    entries.sort(key=lambda e: (fewest[e.arch], e.arch, e.img_size))
    return {(e.arch, e.img_size): e for e in entries}


@cache
def _sizes() -> Mapping[str, tuple[int, ...]]:
    """Architecture -> sizes published for it, ascending; architectures from few to many parameters."""
    sizes: dict[str, tuple[int, ...]] = {}
    for arch, size in _entries():
        sizes[arch] = (*sizes.get(arch, ()), size)
    return sizes


@cache
def _family(name: str) -> tuple[str, ...]:
    """Architectures of a family, from few to many parameters."""
    return tuple(dict.fromkeys(e.arch for e in _entries().values() if e.family == name))


@cache
def _knobs() -> Mapping[str, Knob]:
    every = sorted({size for sizes in _sizes().values() for size in sizes})
    return {"arch": Choice(tuple(_sizes()), ordered=True), "img_size": Choice(tuple(every), ordered=True)}
