"""The 43 signs: outline, colours, pictogram. In the manner of the Vienna Convention, simplified.

Source: Convention on Road Signs and Signals, Vienna 1968, annexes 1 and 3, for what shapes and colours mean;
the number of classes is that of GTSRB (Stallkamp et al., Neural Networks 32, 2012). The drawings are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from codesign.data.road_signs.drawing import Colour, Disc, Field, Figure, Layer, Polygon, Stroke, regular

if TYPE_CHECKING:
    from collections.abc import Mapping

RED: Final[Colour] = (0.76, 0.08, 0.10)
WHITE: Final[Colour] = (0.95, 0.95, 0.93)
BLUE: Final[Colour] = (0.05, 0.25, 0.62)
YELLOW: Final[Colour] = (0.96, 0.78, 0.10)
BLACK: Final[Colour] = (0.06, 0.06, 0.07)
GREY: Final[Colour] = (0.45, 0.45, 0.45)

SEGMENTS: Final = {
    "0": "abcdef",
    "1": "bc",
    "2": "abged",
    "3": "abgcd",
    "5": "afgcd",
    "6": "afgedc",
    "7": "abc",
    "8": "abcdefg",
}
"""Strokes of a digit, named as on a seven-segment display."""


@dataclass(frozen=True)
class Plate:
    """Outline and colours of a group of signs.

    Attributes:
        outline: the sign's edge.
        inner: the field inside the border.
        border, fill, ink: colours of border, field and pictogram.
        shift, scale: where the pictogram's -1 to 1 lies: y of its centre, and size.
    """

    outline: Figure
    inner: Figure
    border: Colour
    fill: Colour
    ink: Colour
    shift: float = 0.0
    scale: float = 1.0


def _square(half_w: float, half_h: float) -> Polygon:
    return Polygon(((-half_w, -half_h), (half_w, -half_h), (half_w, half_h), (-half_w, half_h)))


BAN: Final = Plate(Disc((0, 0), 1), Disc((0, 0), 0.76), RED, WHITE, BLACK, scale=0.62)
END: Final = Plate(Disc((0, 0), 1), Disc((0, 0), 0.92), GREY, WHITE, GREY, scale=0.75)
ORDER: Final = Plate(Disc((0, 0), 1), Disc((0, 0), 0.93), WHITE, BLUE, WHITE, scale=0.72)
RED_DISC: Final = Plate(Disc((0, 0), 1), Disc((0, 0), 0.93), WHITE, RED, WHITE, scale=0.75)
WARNING: Final = Plate(
    Polygon(((-0.99, 0.72), (0.0, -0.99), (0.99, 0.72))),
    Polygon(((-0.66, 0.53), (0.0, -0.61), (0.66, 0.53))),
    RED,
    WHITE,
    BLACK,
    shift=0.2,
    scale=0.36,
)
YIELD: Final = Plate(
    Polygon(((-0.99, -0.72), (0.99, -0.72), (0.0, 0.99))),
    Polygon(((-0.58, -0.49), (0.58, -0.49), (0.0, 0.51))),
    RED,
    WHITE,
    WHITE,
)
OCTAGON: Final = Plate(regular(8, 22.5), regular(8, 22.5, 0.91), WHITE, RED, WHITE, scale=0.75)
DIAMOND: Final = Plate(regular(4, 0), regular(4, 0, 0.86), BLACK, WHITE, YELLOW)
BOARD: Final = Plate(_square(0.8, 0.98), _square(0.73, 0.91), WHITE, BLUE, WHITE, scale=0.72)


def _number(text: str) -> tuple[Figure, ...]:
    """Digits side by side as strokes; a one is no wider than its stroke."""
    wide, gap, stroke = (0.58, 0.42, 0.25) if len(text) < 3 else (0.44, 0.37, 0.2)
    widths = [0.0 if digit == "1" else wide for digit in text]
    left = -(sum(widths) + (len(text) - 1) * gap) / 2
    strokes: list[Figure] = []
    for digit, own in zip(text, widths, strict=True):
        x0, x1, t, m, b = left, left + own, -0.72, 0.0, 0.72
        lines = {
            "a": ((x0, t), (x1, t)),
            "b": ((x1, t), (x1, m)),
            "c": ((x1, m), (x1, b)),
            "d": ((x0, b), (x1, b)),
            "e": ((x0, m), (x0, b)),
            "f": ((x0, t), (x0, m)),
            "g": ((x0, m), (x1, m)),
        }
        strokes += [Stroke(lines[s], stroke) for s in SEGMENTS[digit]]
        left = x1 + gap
    return tuple(strokes)


def _head(x: float, y: float, dx: float, dy: float, size: float = 0.42) -> Polygon:
    """The head of an arrow whose tip lies at (x + dx size, y + dy size)."""
    back_l, back_r = (x - dy * size, y + dx * size), (x + dy * size, y - dx * size)
    return Polygon(((x + dx * size, y + dy * size), back_l, back_r))


def _person(x: float, lean: float = 0.0, tall: float = 1.0) -> tuple[Figure, ...]:
    """A walking figure at x."""
    top, hip, foot = 0.9 - 1.45 * tall, 0.9 - 0.62 * tall, 0.9
    return (
        Disc((x + lean, top), 0.2 * tall),
        Stroke(((x + lean * 0.8, top + 0.3 * tall), (x, hip)), 0.26 * tall),
        Stroke(((x, hip), (x - 0.32 * tall, foot)), 0.17),
        Stroke(((x, hip), (x + 0.32 * tall, foot)), 0.17),
        Stroke(
            ((x - 0.36 * tall, hip - 0.1), (x + lean, top + 0.35 * tall), (x + 0.38 * tall, hip - 0.15)), 0.14
        ),
    )


def _car(x: float, y: float) -> tuple[Figure, ...]:
    """A car from behind."""
    body = Polygon(((x - 0.4, y), (x + 0.4, y), (x + 0.4, y + 0.4), (x - 0.4, y + 0.4)))
    roof = Polygon(((x - 0.24, y - 0.3), (x + 0.24, y - 0.3), (x + 0.36, y + 0.02), (x - 0.36, y + 0.02)))
    return body, roof, Disc((x - 0.26, y + 0.46), 0.12), Disc((x + 0.26, y + 0.46), 0.12)


def _cycle(y: float) -> tuple[Figure, ...]:
    """A bicycle: two wheels as rings of strokes, and a frame."""
    ring = [
        (0.36, 0.0),
        (0.25, 0.25),
        (0.0, 0.36),
        (-0.25, 0.25),
        (-0.36, 0.0),
        (-0.25, -0.25),
        (0.0, -0.36),
        (0.25, -0.25),
        (0.36, 0.0),
    ]
    wheels = [Stroke(tuple((x + dx, y + dy) for dx, dy in ring), 0.13) for x in (-0.58, 0.58)]
    frame = Stroke(((-0.58, y), (-0.15, y - 0.55), (0.35, y - 0.55), (0.58, y)), 0.14)
    return (
        *wheels,
        frame,
        Stroke(((0.1, y - 0.05), (-0.25, y - 0.75)), 0.14),
        Stroke(((0.35, y - 0.5), (0.3, y - 0.85), (0.55, y - 0.85)), 0.13),
    )


def _mirrored(figures: tuple[Figure, ...]) -> tuple[Figure, ...]:
    """Left for right."""
    found: list[Figure] = []
    for f in figures:
        if isinstance(f, Disc):
            found.append(Disc((-f.centre[0], f.centre[1]), f.radius))
        elif isinstance(f, Stroke):
            found.append(Stroke(tuple((-x, y) for x, y in f.points), f.width))
        elif isinstance(f, Polygon):
            found.append(Polygon(tuple((-x, y) for x, y in reversed(f.corners))))
    return tuple(found)


_TURN: Final = (Stroke(((0.45, 0.85), (0.45, -0.15), (-0.35, -0.15)), 0.3), _head(-0.4, -0.15, -1, 0, 0.5))
_AHEAD: Final = (Stroke(((0, 0.9), (0, -0.4)), 0.3), _head(0, -0.4, 0, -1, 0.5))
_FORK: Final = (
    Stroke(((0.2, 0.9), (0.2, -0.5)), 0.26),
    _head(0.2, -0.5, 0, -1),
    Stroke(((0.2, 0.35), (-0.4, 0.35)), 0.26),
    _head(-0.45, 0.35, -1, 0),
)
_KEEP: Final = (Stroke(((0.6, -0.6), (-0.3, 0.3)), 0.3), _head(-0.35, 0.35, -0.71, 0.71, 0.52))
_BEND: Final = (
    Stroke(((0.35, 0.9), (0.35, 0.1), (-0.3, -0.4)), 0.27),
    _head(-0.35, -0.44, -0.79, -0.61, 0.42),
)
_DOUBLE: Final = (
    Stroke(((0.3, 0.95), (0.3, 0.5), (-0.35, 0.05), (0.1, -0.4)), 0.25),
    _head(0.12, -0.42, 0.6, -0.8),
)
_ROUND: Final[tuple[Figure, ...]] = (
    *(
        Stroke(((0.62 * a, 0.62 * b), (0.62 * c, 0.62 * d)), 0.24)
        for a, b, c, d in ((0, -1, 0.77, -0.3), (0.87, 0.5, 0.1, 0.98), (-0.87, 0.5, -0.7, -0.5))
    ),
    _head(0.48, -0.1, 0.5, 0.87, 0.36),
    _head(-0.05, 0.6, -1, 0, 0.36),
    _head(-0.4, -0.36, 0.5, -0.87, 0.36),
)
_SLASH: Final = tuple(
    Stroke(((0.62 + s, -0.72 + s), (-0.72 + s, 0.62 + s)), 0.09) for s in (-0.12, 0.05, 0.22)
)

_Sign = tuple[Plate, tuple[Figure, ...]]

SIGNS: Final[Mapping[str, _Sign]] = {
    "stop": (
        OCTAGON,
        (
            Stroke(
                ((-0.72, -0.34), (-0.98, -0.34), (-0.98, 0.0), (-0.72, 0.0), (-0.72, 0.36), (-0.98, 0.36)),
                0.15,
            ),
            Stroke(((-0.5, -0.34), (-0.1, -0.34)), 0.15),
            Stroke(((-0.3, -0.34), (-0.3, 0.38)), 0.15),
            Stroke(((0.1, -0.34), (0.4, -0.34), (0.4, 0.36), (0.1, 0.36), (0.1, -0.34)), 0.15),
            Stroke(((0.68, 0.38), (0.68, -0.34), (0.98, -0.34), (0.98, 0.04), (0.68, 0.04)), 0.15),
        ),
    ),
    "give_way": (YIELD, ()),
    "priority_road": (DIAMOND, (regular(4, 0, 0.62),)),
    "limit_30": (BAN, _number("30")),
    "limit_50": (BAN, _number("50")),
    "no_entry": (RED_DISC, (_square(0.95, 0.24),)),
    "turn_left": (ORDER, _TURN),
    "turn_right": (ORDER, _mirrored(_TURN)),
    "bend_left": (WARNING, _BEND),
    "bend_right": (WARNING, _mirrored(_BEND)),
    "pedestrians": (WARNING, _person(0.0, 0.08, 1.15)),
    "parking": (
        BOARD,
        (
            Stroke(
                (
                    (-0.4, 0.9),
                    (-0.4, -0.85),
                    (0.2, -0.85),
                    (0.45, -0.6),
                    (0.45, -0.25),
                    (0.2, 0.0),
                    (-0.4, 0.0),
                ),
                0.3,
            ),
        ),
    ),
    "limit_20": (BAN, _number("20")),
    "limit_60": (BAN, _number("60")),
    "limit_70": (BAN, _number("70")),
    "limit_80": (BAN, _number("80")),
    "limit_100": (BAN, _number("100")),
    "limit_120": (BAN, _number("120")),
    "ahead": (ORDER, _AHEAD),
    "ahead_or_left": (ORDER, _FORK),
    "ahead_or_right": (ORDER, _mirrored(_FORK)),
    "keep_left": (ORDER, _KEEP),
    "keep_right": (ORDER, _mirrored(_KEEP)),
    "roundabout": (ORDER, _ROUND),
    "caution": (WARNING, (Stroke(((0, -0.95), (0, 0.25)), 0.34), Disc((0, 0.72), 0.21))),
    "crossroads": (WARNING, (Stroke(((0, -0.9), (0, 0.9)), 0.3), Stroke(((-0.75, 0.15), (0.75, 0.15)), 0.2))),
    "double_bend": (WARNING, _DOUBLE),
    "bumps": (
        WARNING,
        (Stroke(((-1.1, 0.75), (1.1, 0.75)), 0.16), Disc((-0.5, 0.5), 0.36), Disc((0.5, 0.5), 0.36)),
    ),
    "slippery": (
        WARNING,
        (
            *_car(0, -0.55),
            Stroke(((-0.35, 0.25), (-0.55, 0.5), (-0.25, 0.75), (-0.45, 0.98)), 0.13),
            Stroke(((0.35, 0.25), (0.15, 0.5), (0.45, 0.75), (0.25, 0.98)), 0.13),
        ),
    ),
    "narrowing": (
        WARNING,
        (
            Stroke(((-0.55, 0.9), (-0.55, 0.35), (-0.2, -0.1), (-0.2, -0.7)), 0.18),
            Stroke(((0.55, 0.9), (0.55, 0.35), (0.2, -0.1), (0.2, -0.7)), 0.18),
        ),
    ),
    "works": (
        WARNING,
        (
            Disc((0.1, -0.7), 0.22),
            Stroke(((0.0, -0.35), (-0.2, 0.25), (-0.45, 0.9)), 0.24),
            Stroke(((-0.2, 0.25), (0.15, 0.9)), 0.2),
            Stroke(((0.0, -0.25), (0.55, 0.35)), 0.15),
            Polygon(((0.75, 0.35), (1.1, 0.9), (0.4, 0.9))),
        ),
    ),
    "traffic_lights": (WARNING, (Disc((0, -0.62), 0.3), Disc((0, 0.08), 0.3), Disc((0, 0.78), 0.3))),
    "children": (WARNING, (*_person(-0.45, 0.1, 0.95), *_person(0.5, -0.1, 0.75))),
    "cyclists": (WARNING, _cycle(0.5)),
    "snow": (
        WARNING,
        tuple(
            Stroke(((-0.75 * c, 0.05 - 0.75 * s), (0.75 * c, 0.05 + 0.75 * s)), 0.16)
            for c, s in ((1, 0), (0.5, 0.87), (0.5, -0.87))
        ),
    ),
    "animals": (
        WARNING,
        (
            Stroke(((-0.6, 0.1), (0.35, 0.0)), 0.36),
            Stroke(((0.35, -0.05), (0.6, -0.55)), 0.2),
            Disc((0.72, -0.6), 0.18),
            Stroke(((-0.6, 0.1), (-0.8, 0.9)), 0.13),
            Stroke(((-0.45, 0.1), (-0.35, 0.9)), 0.13),
            Stroke(((0.25, 0.1), (0.15, 0.9)), 0.13),
            Stroke(((0.4, 0.1), (0.7, 0.75)), 0.13),
        ),
    ),
    "no_overtaking": (BAN, (*_car(-0.5, 0.0), *_car(0.5, 0.0))),
    "no_trucks": (
        BAN,
        (
            Polygon(((-0.9, -0.5), (0.25, -0.5), (0.25, 0.35), (-0.9, 0.35))),
            Polygon(((0.33, -0.2), (0.7, -0.2), (0.9, 0.1), (0.9, 0.35), (0.33, 0.35))),
            Disc((-0.5, 0.5), 0.2),
            Disc((0.6, 0.5), 0.2),
        ),
    ),
    "no_vehicles": (BAN, ()),
    "no_pedestrians": (BAN, _person(0.0, 0.08, 1.1)),
    "no_cycling": (BAN, _cycle(0.3)),
    "end_of_limits": (END, _SLASH),
    "end_of_priority": (DIAMOND, (regular(4, 0, 0.62),)),
}
"""Name -> plate and pictogram. The first twelve have every shape among them."""


def layers(name: str) -> tuple[Layer, ...]:
    """A sign as it is painted, outline first."""
    plate, pictogram = SIGNS[name]
    found = [Layer((plate.outline,), plate.border), Layer((plate.inner,), plate.fill)]
    if pictogram:
        found.append(Layer(tuple(_Placed(f, plate.shift, plate.scale) for f in pictogram), plate.ink))
    if name == "end_of_priority":
        found.append(Layer((Stroke(((0.5, -0.6), (-0.6, 0.5)), 0.2),), BLACK))
    return tuple(found)


@dataclass(frozen=True)
class _Placed:
    """A figure at another place and size."""

    figure: Figure
    shift: float
    scale: float

    def distance(self, x: Field, y: Field) -> Field:
        """As `Figure` has it."""
        return self.figure.distance(x / self.scale, (y - self.shift) / self.scale) * self.scale
