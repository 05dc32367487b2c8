"""Vision transformers with depth, width, patch, heads, feed-forward and attention free.

Source: Dosovitskiy et al., An Image is Worth 16x16 Words, ICLR 2021, table 1; Touvron et al., DeiT, ICML
2021, table 1; knobs after Chen et al., AutoFormer, ICCV 2021, section 3.3; windows after Li et al., ECCV
2022.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Final, NamedTuple

from typing_extensions import override

from search_spaces.candidate import Candidate
from search_spaces.knobs import Choice, IntRange, Knob
from search_spaces.vision.elastic import ElasticSpace

if TYPE_CHECKING:
    from torch import nn

    from search_spaces.closed_form import OpWriter
    from search_spaces.knobs import Scalar

GROUPS: Final = 4
"""Groups of successive blocks that share heads, feed-forward and attention."""
HEAD_WIDTH: Final = 64
"""Width of a head in every published size; ICLR 2021, table 1."""


class Block(NamedTuple):
    """Sizes of a transformer block; `window`: its side in tokens, 0: the whole image."""

    heads: int
    head_width: int
    hidden: int
    window: int


def _knobs() -> dict[str, Knob]:
    knobs: dict[str, Knob] = {
        "resolution": IntRange(128, 384, 32),
        "patch": Choice((8, 16, 32), ordered=True),
        "width": Choice((192, 256, 320, 384, 448, 512, 576, 640, 768, 1024), ordered=True),
        "depth": IntRange(4, 24),
        "window": Choice((4, 7, 8, 10, 14), ordered=True),
    }
    for at in range(1, GROUPS + 1):
        knobs |= {
            f"heads_{at}": Choice((3, 4, 5, 6, 7, 8, 10, 12, 16), ordered=True),
            f"ratio_{at}": Choice((2.0, 2.5, 3.0, 3.5, 4.0), ordered=True),
            f"attention_{at}": Choice(("global", "window")),
        }
    return knobs


KNOBS: Final = _knobs()


@dataclass(frozen=True)
class ElasticVit(ElasticSpace):
    """Vision transformers; input (N, 3, resolution, resolution), output (N, n_classes).

    The `depth` blocks stand in four groups, as equal as can be; `heads_g` (of 64 each), `ratio_g` (of the
    feed-forward's hidden width to `width`) and `attention_g` ("global" or within a `window` of so many tokens
    a side) hold for group g. A window that holds the whole image is global attention. With global attention
    alone a class token is classified, else the mean of the tokens.
    """

    name: str = "elastic_vit"
    n_classes: int = 1000

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return KNOBS

    @property
    @override
    def known(self) -> Mapping[str, Candidate]:
        return {
            "vit_tiny_patch16_224": _uniform(192, 12, 3),
            "vit_small_patch16_224": _uniform(384, 12, 6),
            "vit_small_patch32_224": _uniform(384, 12, 6, patch=32),
            "vit_base_patch8_224": _uniform(768, 12, 12, patch=8),
            "vit_base_patch16_224": _uniform(768, 12, 12),
            "vit_base_patch16_384": _uniform(768, 12, 12, resolution=384),
            "vit_base_patch32_224": _uniform(768, 12, 12, patch=32),
            "vit_large_patch16_224": _uniform(1024, 24, 16),
        }

    @property
    @override
    def size(self) -> int:
        free = ("width", "depth", *(f"{k}_{at}" for k in ("heads", "ratio") for at in range(1, GROUPS + 1)))
        attentions = 0
        for side, patch in product(KNOBS["resolution"], KNOBS["patch"]):
            smaller = sum(int(window) < int(side) // int(patch) for window in KNOBS["window"])
            attentions += 1 + (2**GROUPS - 1) * smaller
        return attentions * math.prod(len(KNOBS[name]) for name in free)

    @override
    def reduced(self, whole: Candidate) -> Mapping[str, Scalar]:
        counts = dict(whole)
        fits = int(whole["window"]) < int(whole["resolution"]) // int(whole["patch"])
        kinds = [f"attention_{at}" for at in range(1, GROUPS + 1)]
        if not fits:
            counts |= dict.fromkeys(kinds, "global")
        if all(counts[kind] == "global" for kind in kinds):
            del counts["window"]
        return counts

    @override
    def sizes(self, here: Candidate) -> str:
        return f"{here['resolution']}-p{here['patch']}-w{here['width']}-d{here['depth']}"

    @override
    def build(self, candidate: Candidate) -> nn.Module:
        from search_spaces.vision.architectures.windowed_vit import WindowedVit

        here = self.canonical(candidate)
        width, patch = int(here["width"]), int(here["patch"])
        grid = int(here["resolution"]) // patch
        blocks, token = list(_blocks(here)), "window" not in here
        return WindowedVit(width, patch, grid, blocks, self.n_classes, class_token=token)

    @override
    def written(self, w: OpWriter, here: Candidate) -> int:
        side, patch, width = int(here["resolution"]), int(here["patch"]), int(here["width"])
        grid = side // patch
        x = w.conv2d(w.input((1, 3, side, side)), "patch", width, patch, stride=patch, padding=0, bias=True)
        x = w.view("flatten", x, "", (1, width, grid**2))
        x = w.view("transpose", x, "", (1, grid**2, width))
        length = grid**2
        if "window" not in here:
            length += 1
            token = w.view("expand", w.weight((1, 1, width)), "", (1, 1, width))
            x = w.layout("cat", "cat", "", (token, x), (1, length, width))
        x = w.elementwise("add", "", x, w.weight((1, length, width)))
        for at, block in enumerate(_blocks(here)):
            x = _written(w, x, f"blocks.{at}", block, grid)
        x = w.layer_norm(x, "norm")
        x = w.mean(x, "", 1) if "window" in here else w.view("select", x, "", (1, width))
        return w.linear(x, "head", self.n_classes)


def _written(w: OpWriter, x: int, path: str, block: Block, grid: int) -> int:
    """The rows of `architectures.windowed_vit.VitBlock`."""
    y = w.layer_norm(x, f"{path}.norm1")
    attended = _within_windows if block.window else _attended
    x = w.elementwise("add", path, x, attended(w, y, path, block, grid))
    y = w.linear(w.layer_norm(x, f"{path}.norm2"), f"{path}.mlp.0", block.hidden)
    y = w.linear(w.elementwise("gelu", f"{path}.mlp.1", y), f"{path}.mlp.2", w.shape(x)[2])
    return w.elementwise("add", path, x, y)


def _attended(w: OpWriter, x: int, path: str, block: Block, _grid: int) -> int:
    """The rows of `architectures.windowed_vit.FusedAttention`."""
    n, length, width = w.shape(x)
    heads, d, here = block.heads, block.head_width, f"{path}.attention"
    y = w.linear(x, f"{here}.qkv", 3 * heads * d)
    y = w.view("view", y, here, (n, length, 3, heads, d))
    y = w.view("permute", y, here, (3, n, heads, length, d))
    query, key, value = w.views("unbind", y, here, (n, heads, length, d), 3)
    y = w.view("transpose", w.attention(query, key, value, here), here, (n, length, heads, d))
    return w.linear(w.view("reshape", y, here, (n, length, heads * d)), f"{here}.proj", width)


def _within_windows(w: OpWriter, x: int, path: str, block: Block, grid: int) -> int:
    """The rows of `VitBlock.within_windows`."""
    _, length, c = w.shape(x)
    window = block.window
    count = -(-grid // window)
    side = count * window
    tiled, swapped = (1, count, window, count, window, c), (1, count, count, window, window, c)
    y = w.view("view", x, path, (1, grid, grid, c))
    if side > grid:
        y = w.layout("pad", "pad", path, (y,), (1, side, side, c))
    y = w.view("transpose", w.view("view", y, path, tiled), path, swapped)
    y = w.layout("reshape", "copy", path, (y,), (count**2, window**2, c))
    y = w.view("view", _attended(w, y, path, block, grid), path, swapped)
    y = w.layout("reshape", "copy", path, (w.view("transpose", y, path, tiled),), (1, side, side, c))
    if side == grid:
        return w.view("reshape", y, path, (1, length, c))
    y = w.view("slice", y, path, (1, grid, side, c))
    y = w.view("slice", y, path, (1, grid, grid, c))
    return w.layout("reshape", "copy", path, (y,), (1, length, c))


def _blocks(here: Candidate) -> Iterator[Block]:
    """The blocks of a canonical candidate, in order."""
    depth, width = int(here["depth"]), int(here["width"])
    for at in range(depth):
        group = at * GROUPS // depth + 1
        window = int(here["window"]) if here[f"attention_{group}"] == "window" else 0
        hidden = int(width * float(here[f"ratio_{group}"]))
        yield Block(int(here[f"heads_{group}"]), HEAD_WIDTH, hidden, window)


def _uniform(width: int, depth: int, heads: int, *, patch: int = 16, resolution: int = 224) -> Candidate:
    """A published size: all blocks alike and all attention global."""
    values: dict[str, Scalar] = {"resolution": resolution, "patch": patch, "width": width, "depth": depth}
    for at in range(1, GROUPS + 1):
        values |= {f"heads_{at}": heads, f"ratio_{at}": 4.0, f"attention_{at}": "global"}
    return ElasticVit().canonical(Candidate(values))
