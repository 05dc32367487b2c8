"""From the maps of several cameras to one map in a bird's-eye view, written on a `GraphWriter`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from search_spaces.driving import rig
from search_spaces.driving.backbones import conv_bn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.graph_writer import GraphWriter, Ref

HEADS: Final = 8
"""Of every attention. Source: BEVFormer, projects/configs/bevformer/bevformer_tiny.py."""

PILLAR: Final = 4
"""Anchors of a pillar. Source: Li et al., BEVFormer, ECCV 2022, section 3.3 (`num_points_in_pillar`)."""

OWN_POINTS: Final = 4
"""Points that a query looks at in a bird's-eye view. Source: the same, `num_points`."""

CAN_BUS: Final = 18
"""What the vehicle says of its motion. Source: nuScenes CAN bus as BEVFormer reads it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the cameras give and the grid that it goes to.

    Attributes:
        cameras: their number.
        aspect: width of their images over height.
        grid: side of the square grid in cells.
        channels: of the bird's-eye view.
    """

    cameras: int
    aspect: float
    grid: int
    channels: int

    @property
    def cells(self) -> int:
        """Cells of the grid."""
        return self.grid * self.grid


def aligned(w: GraphWriter, former: Sequence[Ref], flows: Sequence[Ref]) -> list[Ref]:
    """Former bird's-eye views (N, C, G, G), each as seen from where the vehicle is now."""
    return [w.grid_sample(old, flow) for old, flow in zip(former, flows, strict=True)]


def as_map(w: GraphWriter, x: Ref, scene: Scene) -> Ref:
    """(N, cells, C) to (N, C, G, G)."""
    return w.reshape(w.transpose(x, 1, 2), -1, scene.channels, scene.grid, scene.grid)


def as_rows(w: GraphWriter, x: Ref, scene: Scene) -> Ref:
    """(N, C, G, G) to (N, cells, C)."""
    return w.transpose(w.reshape(x, -1, scene.channels, scene.cells), 1, 2)


# -- lift, splat ---------------------------------------------------------------------------------------


def lift_splat(
    w: GraphWriter, image: Ref, former: Sequence[Ref], path: str, scene: Scene, *, bins: int, blocks: int
) -> Ref:
    """Every place of the images spread over `bins` depths, summed in the cells; then residual blocks.

    Source: Philion and Fidler, Lift, Splat, Shoot, ECCV 2020; with former views joined as in Huang and Huang,
    BEVDet4D, arXiv 2203.17054.
    """
    height, width = w.shape(image)[2:]
    lifted = w.conv2d(image, f"{path}.depth", bins + scene.channels, 1, bias=True)
    depth = w.softmax(w.narrow(lifted, 1, 0, bins), 1)
    context = w.narrow(lifted, 1, bins, scene.channels)
    context = w.reshape(context, -1, scene.cameras, scene.channels, 1, height, width)
    context = w.permute(context, 0, 2, 1, 3, 4, 5)
    if (
        scene.cameras > 1
    ):  # channels outermost, so that the sums run over one axis: this small copy, none of points
        context = w.contiguous(context)
    depth = w.reshape(depth, -1, 1, scene.cameras, bins, height, width)
    points = w.reshape(w.mul(context, depth), -1, scene.channels, scene.cameras * bins * height * width)
    zeros = w.zeros(points, scene.channels, scene.cells + 1)
    made = (scene.cameras, bins, height, width, scene.grid)
    places = w.constant(f"{path}_cells", w.shape(points)[2:], rig.frustum_cells, *made, whole=True)
    summed = w.narrow(w.index_add(zeros, places, points), 2, 0, scene.cells)
    x = w.reshape(summed, -1, scene.channels, scene.grid, scene.grid)
    if former:
        x = conv_bn(w, w.cat([*former, x], 1), f"{path}.join", scene.channels, 3, act="relu")
    for block in range(blocks):
        here = f"{path}.blocks.{block}"
        y = conv_bn(w, x, f"{here}.first", scene.channels, 3, act="relu")
        x = w.apply("relu", w.add(x, conv_bn(w, y, f"{here}.second", scene.channels, 3)))
    return x


# -- queries -------------------------------------------------------------------------------------------


def bev_queries(
    w: GraphWriter,
    image: Ref,
    former: Sequence[Ref],
    motion: Ref,
    path: str,
    scene: Scene,
    *,
    points: int,
    layers: int,
) -> Ref:
    """A query for every cell, which looks at former views, then at the images; all cells at all cameras.

    What a camera does not see weighs nothing but is computed: the form with static shapes that compilers of
    chips take. Where a library gathers the cells that a camera sees, this is an upper bound.

    Source: Li et al., BEVFormer, ECCV 2022; fundamentalvision/BEVFormer (Apache-2.0).
    """
    channels, side = scene.channels, scene.grid
    features = _camera_features(w, image, path, scene)
    for name, out in (("motion1", channels // 2), ("motion2", channels)):
        motion = w.apply("relu", w.linear(motion, f"{path}.{name}", out))
    motion = w.reshape(w.layer_norm(motion, f"{path}.motion_norm"), -1, 1, channels)
    x = w.add(motion, w.parameter(f"{path}.queries", (scene.cells, channels)))
    rows = w.parameter(f"{path}.rows", (side, 1, channels))
    where = w.reshape(w.add(rows, w.parameter(f"{path}.columns", (1, side, channels))), scene.cells, channels)
    olds = [as_rows(w, old, scene) for old in former]
    for layer in range(layers):
        here = f"{path}.layers.{layer}"
        x = w.layer_norm(_look_back(w, x, where, olds, f"{here}.time", scene), f"{here}.norm1")
        x = w.layer_norm(_look_out(w, x, features, f"{here}.space", scene, points), f"{here}.norm2")
        x = w.layer_norm(feed_forward(w, x, here), f"{here}.norm3")
    return as_map(w, x, scene)


def _camera_features(w: GraphWriter, image: Ref, path: str, scene: Scene) -> tuple[Ref, int, int]:
    """Maps of all cameras as (N, cameras, places, C), each marked by its camera, with height and width."""
    channels, height, width = w.shape(image)[1:]
    rows = w.transpose(w.reshape(image, -1, scene.cameras, channels, height * width), 2, 3)
    rows = w.add(rows, w.parameter(f"{path}.cameras", (scene.cameras, 1, channels)))
    return w.add(rows, w.parameter(f"{path}.level", (channels,))), height, width


def feed_forward(w: GraphWriter, x: Ref, path: str) -> Ref:
    """Two linear layers, twice as wide between, beside the identity."""
    width = w.shape(x)[-1]
    hidden = w.apply("relu", w.linear(x, f"{path}.feed1", 2 * width))
    return w.add(x, w.linear(hidden, f"{path}.feed2", width))


def _look_back(w: GraphWriter, x: Ref, where: Ref, olds: Sequence[Ref], path: str, scene: Scene) -> Ref:
    """Each cell at a few points of the former views and of the one that is being made."""
    placed = w.add(x, where)
    asked = w.cat([*olds, placed], 2) if olds else placed
    maps = [w.reshape(m, -1, 1, scene.cells, scene.channels) for m in (*olds, x)]
    value = w.linear(w.cat(maps, 1) if olds else maps[0], f"{path}.value", scene.channels)
    return w.add(x, sampled(w, asked, value, None, path, scene.grid))


def sampled(w: GraphWriter, asked: Ref, value: Ref, places: Ref | None, path: str, side: int) -> Ref:
    """Deformable attention of queries (N, Q, C') to maps (N, T, side x side, C): (N, Q, C).

    Source: Zhu et al., Deformable DETR, ICLR 2021, eq. 2; sampled as in its `ms_deform_attn_core_pytorch`.

    Args:
        w: what it is written on.
        asked: what queries say of themselves.
        value: what they look at.
        places: around which, (N, Q, 1, 1, 1, 2), -1 to 1; None: their own cells.
        path: of the layers.
        side: of the maps.
    """
    turns, channels = w.shape(value)[1], w.shape(value)[3]
    queries = w.shape(asked)[1]
    points = (queries, turns, HEADS, OWN_POINTS)
    offsets = w.linear(asked, f"{path}.offsets", turns * HEADS * OWN_POINTS * 2)
    offsets = w.mul(w.reshape(offsets, -1, *points, 2), 2.0 / side)
    if places is None:
        places = w.constant("own_places", (1, queries, 1, 1, 1, 2), rig.own_places, side)
    grid = w.permute(w.add(offsets, places), 0, 2, 3, 1, 4, 5)
    grid = w.reshape(grid, -1, queries, OWN_POINTS, 2)
    weights = w.reshape(w.linear(asked, f"{path}.weights", turns * HEADS * OWN_POINTS), -1, *points)
    weights = w.reshape(w.permute(w.softmax(weights), 0, 2, 3, 1, 4), -1, 1, queries, OWN_POINTS)
    taken = w.mul(w.grid_sample(_by_head(w, value, side, side), grid), weights)
    mixed = w.sum(taken, -1)
    if turns > 1:
        mixed = w.average(w.reshape(mixed, -1, turns, channels, queries), 1)
    else:
        mixed = w.reshape(mixed, -1, channels, queries)
    return w.linear(w.transpose(mixed, 1, 2), f"{path}.out", channels)


def _by_head(w: GraphWriter, value: Ref, height: int, width: int) -> Ref:
    """(N, maps, height x width, C) to (N x maps x heads, C / heads, height, width)."""
    _, maps, _, channels = w.shape(value)
    reshape = w.reshape_copy if maps > 1 else w.reshape
    return reshape(w.transpose(value, 2, 3), -1, channels // HEADS, height, width)


def _look_out(
    w: GraphWriter, x: Ref, features: tuple[Ref, int, int], path: str, scene: Scene, points: int
) -> Ref:
    """Each cell at a few points around its pillar in every image, averaged over the cameras that see it."""
    value, height, width = features
    value = w.linear(value, f"{path}.value", scene.channels)
    cells, cameras = scene.cells, scene.cameras
    split = (cells, HEADS, PILLAR, points // PILLAR)
    offsets = w.reshape(w.linear(x, f"{path}.offsets", HEADS * points * 2), -1, 1, *split, 2)
    offsets = w.mul(offsets, 2.0 / width)
    known = (cameras, scene.grid, PILLAR, scene.aspect)
    anchors = w.constant("anchors", (1, cameras, cells, 1, PILLAR, 1, 2), rig.anchors, *known)
    grid = w.permute(w.add(offsets, anchors), 0, 1, 3, 2, 4, 5, 6)
    reshape = w.reshape_copy if cameras > 1 else w.reshape
    grid = reshape(grid, -1, cells, points, 2)
    weights = w.softmax(w.reshape(w.linear(x, f"{path}.weights", HEADS * points), -1, cells, HEADS, points))
    weights = w.reshape(w.permute(weights, 0, 2, 1, 3), -1, 1, HEADS, 1, cells, points)
    taken = w.grid_sample(_by_head(w, value, height, width), grid)
    taken = w.reshape(taken, -1, cameras, HEADS, scene.channels // HEADS, cells, points)
    mixed = w.reshape(w.sum(w.mul(taken, weights), -1), -1, cameras, scene.channels, cells)
    mixed = w.sum(w.mul(mixed, w.constant("seen", (1, cameras, 1, cells), rig.seen, *known)), 1)
    return w.add(x, w.linear(w.transpose(mixed, 1, 2), f"{path}.out", scene.channels))
