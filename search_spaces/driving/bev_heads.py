"""What is read from a bird's-eye view, written on a `GraphWriter`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from search_spaces.driving.backbones import conv_bn
from search_spaces.driving.bev_views import HEADS, Scene, as_rows, feed_forward, sampled

if TYPE_CHECKING:
    from search_spaces.graph_writer import GraphWriter, Ref

TASKS: Final = (1, 2, 2, 1, 2, 2)
"""Classes of nuScenes by the head that finds them. Source: mmdetection3d, configs of CenterPoint."""

BOX: Final = {"offset": 2, "height": 1, "size": 3, "turn": 2, "speed": 2}
"""Numbers of a box. Source: Yin et al., CenterPoint, CVPR 2021, section 4; the same configurations."""

CENTER_WIDTH: Final = 64
"""Channels of CenterPoint's shared convolution and of each branch. Source: the same."""

CODE: Final = 10
"""Numbers of a box as BEVFormer says it. Source: bevformer_tiny.py, `code_size`."""


def center(w: GraphWriter, bev: Ref, path: str) -> list[Ref]:
    """Heat maps of centres and the boxes around them. Source: Yin et al., CenterPoint, CVPR 2021."""
    x = conv_bn(w, bev, f"{path}.shared", CENTER_WIDTH, 3, act="relu")
    outs = []
    for task, classes in enumerate(TASKS):
        for name, out in (*BOX.items(), ("heat", classes)):
            here = f"{path}.tasks.{task}.{name}"
            y = conv_bn(w, x, f"{here}.branch", CENTER_WIDTH, 3, act="relu")
            outs.append(w.conv2d(y, f"{here}.last", out, 3, bias=True))
    return outs


def segmentation(w: GraphWriter, bev: Ref, path: str, classes: int) -> list[Ref]:
    """A score of each class for every cell."""
    width = w.shape(bev)[1]
    x = conv_bn(w, bev, f"{path}.first", width, 3, act="relu")
    x = conv_bn(w, x, f"{path}.second", width, 3, act="relu")
    return [w.conv2d(x, f"{path}.last", classes, 1, bias=True)]


def detr(
    w: GraphWriter, bev: Ref, path: str, scene: Scene, *, queries: int, layers: int, classes: int
) -> list[Ref]:
    """Queries look at each other and at the view, and move the place they look at, layer after layer.

    The scores of inner layers serve training alone and are left out.

    Source: Zhu et al., Deformable DETR, ICLR 2021; Li et al., BEVFormer, ECCV 2022.
    """
    channels = scene.channels
    memory = as_rows(w, bev, scene)
    table = w.parameter(f"{path}.queries", (queries, 2 * channels))
    where, x = (w.for_each(half, bev) for half in w.chunk(table, 2, 1))
    place = w.linear(where, f"{path}.reference", 3)
    found = place
    for layer in range(layers):
        here = f"{path}.layers.{layer}"
        x = w.layer_norm(_look_around(w, x, where, f"{here}.own"), f"{here}.norm1")
        at = w.mul(w.narrow(w.apply("sigmoid", place), 2, 0, 2), 2.0)
        at = w.reshape(w.add(at, -1.0), -1, queries, 1, 1, 1, 2)
        value = w.reshape(w.linear(memory, f"{here}.bev.value", channels), -1, 1, scene.cells, channels)
        seen = sampled(w, w.add(x, where), value, at, f"{here}.bev", scene.grid)
        x = w.layer_norm(w.add(x, seen), f"{here}.norm2")
        x = w.layer_norm(feed_forward(w, x, here), f"{here}.norm3")
        found = _branch(w, x, f"{here}.box", CODE, norm=False)
        place = w.add(place, w.narrow(found, 2, 0, 3))
    return [_branch(w, x, f"{path}.classes", classes, norm=True), found, w.apply("sigmoid", place)]


def _look_around(w: GraphWriter, x: Ref, where: Ref, path: str) -> Ref:
    """Attention of the queries to each other."""
    queries, channels = w.shape(x)[1:]
    placed = w.add(x, where)
    split = [
        w.transpose(
            w.reshape(w.linear(t, f"{path}.{name}", channels), -1, queries, HEADS, channels // HEADS), 1, 2
        )
        for name, t in (("query", placed), ("key", placed), ("value", x))
    ]
    mixed = w.reshape(w.transpose(w.attend(*split), 1, 2), -1, queries, channels)
    return w.add(x, w.linear(mixed, f"{path}.out", channels))


def _branch(w: GraphWriter, x: Ref, path: str, out: int, *, norm: bool) -> Ref:
    """Two hidden layers, normalised or not, and a last one."""
    width = w.shape(x)[-1]
    for at in range(2):
        x = w.linear(x, f"{path}.{at}", width)
        x = w.apply("relu", w.layer_norm(x, f"{path}.norm{at}") if norm else x)
    return w.linear(x, f"{path}.last", out)
