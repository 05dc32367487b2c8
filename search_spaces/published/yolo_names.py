"""The YOLO detectors by the names that tables give them: version, size, task, activation, release.

"yolov5m6_6.1", "YOLO11l-Seg", "tiny_yolov4", "yolox_s_wide_leaky" and "yolo-v3-coco" are read by one grammar;
a word that it does not know means another network than is built here, and the name is refused. Where a name
leaves the release open, the one whose parameters and MACs agree with the table is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from search_spaces.published.base import Option, own, pixels
from search_spaces.published.registries import misfit

if TYPE_CHECKING:
    from hw_models.workload.graph import Workload
    from hw_models.workload.named import NamedNetwork

NAME: Final = re.compile(
    r"(?:(?P<before>tiny)[-_])?yolo[-_]?(?:v?(?P<version>\d{1,2})|(?P<x>x))"
    r"(?P<size>xs|[ntsmblxce])?(?P<levels>6)?(?P<split>u)?(?P<rest>(?:[-_ ].*)?|tiny.*)",
)
RELEASE: Final = re.compile(r"[vr]?\d+(?:\.\d+)+")
SIDE: Final = re.compile(r"\d{3,4}(x\d{3,4})?")
TASKS: Final = {"seg": "seg", "pose": "pose", "obb": "obb", "cls": "cls", "det": "detect", "detect": "detect"}
ACTIVATIONS: Final = ("relu", "relu6", "leaky", "silu")
SIZES: Final = {"nano": "n", "tiny": "t", "small": "s", "medium": "m", "large": "l", "extra": "x"}
LETTERS: Final = frozenset("ntsmblxce")
IGNORED: Final = frozenset(
    ("coco", "gluon", "bbox", "decoding", "only", "nms", "core", "ultralytics", "p5", "tag")
)
"""Words that say where the weights are from, or what is done with the boxes outside the network."""

DEFAULT_SIDE: Final = {3: 416, 4: 416}
SIDE_OF_OTHERS: Final = 640


@dataclass(frozen=True, slots=True)
class Yolo:
    """One network of the family, as a name tells it.

    Attributes:
        version: 3 to 12; 0: YOLOX.
        size: letter; "": not told.
        task: detect, seg, pose, obb or cls.
        act: activation; None: the version's own.
        release: of the version's code, (5, 0) or (0, 2); None: not told.
        levels: 6 in the variants for 1280 pixels.
        split: YOLOv5 with the head of YOLOv8.
        tiny, wide: as the name says.
        small_pools: Hailo's variants "wo_spp".
        side: pixels in the name.
    """

    version: int
    size: str = ""
    task: str = "detect"
    act: str | None = None
    release: tuple[int, ...] | None = None
    levels: int = 5
    split: bool = False
    tiny: bool = False
    wide: bool = False
    small_pools: bool = False
    side: int | None = None


def parsed(name: str) -> Yolo | None:
    """What a name says; None where it is none of these, or says more than is understood."""
    match = NAME.fullmatch(name.strip().lower())
    if match is None:
        return None
    found = Yolo(
        version=0 if match["x"] else int(match["version"]),
        size=(match["size"] or "").replace("xs", "s"),
        levels=6 if match["levels"] else 5,
        split=bool(match["split"]),
        tiny=bool(match["before"]),
    )
    for word in re.split(r"[-_ ]+", match["rest"].replace("wo_spp", "wospp")):
        if word and word not in IGNORED:
            change = _said(word, found)
            if change is None:
                return None
            found = replace(found, **change)
    return found


def _said(word: str, so_far: Yolo) -> Mapping[str, Any] | None:
    """What one more word of a name changes; None where it is not understood."""
    change: Mapping[str, Any] | None = None
    if word in TASKS:
        change = {"task": TASKS[word]}
    elif word in ACTIVATIONS:
        change = {"act": word}
    elif word in ("tiny", "wide", "wospp"):
        change = {word.replace("wospp", "small_pools"): True}
    elif not so_far.size and (word in LETTERS or word in SIZES):
        change = {"size": SIZES.get(word, word)}
    elif SIDE.fullmatch(word):
        change = {"side": int(word.partition("x")[0])}
    elif RELEASE.fullmatch(word):
        change = {"release": tuple(int(n) for n in word.lstrip("vr").split("."))}
    return change


def yolo_network(request: NamedNetwork, name: str | None = None) -> Workload | None:
    """The detector that a name means; None where it is none of the family.

    Args:
        request: what was asked for.
        name: instead of the request's, where the data set writes it with something around.

    Raises:
        InputError: where it cannot take the size that is stated.
    """
    yolo = parsed(name or request.name)
    if yolo is None:
        return None
    side = yolo.side or DEFAULT_SIDE.get(yolo.version, SIDE_OF_OTHERS)
    height, width = pixels(request.input_shape, request.img_size) or (side, side)
    best: Workload | None = None
    for target, options in _candidates(yolo, open_size=bool(request.params or request.macs)):
        workload = own(target, (1, 3, height, width), name=request.name, **options)
        if best is None or misfit(workload, request) < misfit(best, request):
            best = workload
    return best


Options = dict[str, Option]


def _candidates(yolo: Yolo, *, open_size: bool) -> Iterator[tuple[str, Options]]:
    """Functions that make it with their arguments, the likeliest first.

    Args:
        yolo: what the name says.
        open_size: whether every size comes into question where the name tells none.
    """
    variant = _variant(yolo)
    if variant.endswith(yolo.size or "-"):
        yolo = replace(yolo, size="")
    target, sizes = MAKERS.get(variant, ("", ""))
    if not target or (yolo.size and yolo.size not in sizes):
        return
    act: Options = {} if yolo.act is None else {"act": yolo.act}
    for size in yolo.size or (sizes if open_size else sizes[:1]) or ("",):
        named: Options = {"size": size} if size else {}
        if yolo.version in TASKED:
            named["task"] = yolo.task
        for release in RELEASES.get(yolo.version, (None,)) if yolo.release is None else (yolo.release,):
            yield target, {**named, **_of_release(yolo, size, release), **act}


def _variant(yolo: Yolo) -> str:
    """Key of `MAKERS`."""
    large = yolo.size if yolo.version == 7 and yolo.size in ("x", "e") else ""
    return f"{yolo.version}{'-tiny' if yolo.tiny and yolo.version in (3, 4, 7) else large}"


def _of_release(yolo: Yolo, size: str, release: tuple[int, ...] | None) -> Options:
    """Arguments that a release of the code decides."""
    options: Options = {}
    if yolo.version == 5 and release is not None:
        options = {"release": release[0], "levels": yolo.levels, "split_head": yolo.split}
        if yolo.small_pools:
            options["small_pools"] = True
        if release[0] < FIRST_WITH_SILU:
            options["act"] = "leaky"
    elif yolo.version == 6 and release is not None:
        options = {"release": max(release[:2])}
    elif yolo.version == 0:
        named = "tiny" if yolo.tiny else {"n": "nano", "t": "tiny"}.get(size, size)
        options = {"size": f"{named}_wide" if yolo.wide else named}
    return options


MAKERS: Final[Mapping[str, tuple[str, str]]] = {
    "0": ("yolox:yolox", "sntmlx"),
    "3": ("yolo_darknet:yolov3", ""),
    "3-tiny": ("yolo_darknet:yolov3_tiny", ""),
    "4": ("yolo_darknet:yolov4", ""),
    "4-tiny": ("yolo_darknet:yolov4_tiny", ""),
    "5": ("yolo:yolov5", "snmlx"),
    "6": ("yolov6:yolov6", "sntml"),
    "7": ("yolov7:yolov7", ""),
    "7-tiny": ("yolov7:yolov7_tiny", ""),
    "7x": ("yolov7:yolov7x", ""),
    "7e": ("yolov7_e6:yolov7e6", ""),
    "8": ("yolo:yolov8", "snmlx"),
    "9": ("yolov9:yolov9", "ctsme"),
    "10": ("yolo:yolov10", "snmblx"),
    "11": ("yolo:yolo11", "snmlx"),
    "12": ("yolo:yolov12", "snmlx"),
}
"""Version -> what makes it, and its sizes, the one that is meant without a word first."""

TASKED: Final = frozenset((5, 8, 9, 11))
"""Versions that do more than detect."""

RELEASES: Final[Mapping[int, tuple[tuple[int, ...], ...]]] = {5: ((6,), (2,)), 6: ((0, 3), (0, 2), (0, 1))}
"""Releases with networks of their own, of the versions that have several."""

FIRST_WITH_SILU: Final = 4
"""Release of YOLOv5 whose activation is SiLU."""
