"""What is random about one image: the sign's place and pose, what stands before it, weather and light."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from codesign.data.road_signs.draws import Floats, Words, uniform

Mask = NDArray[np.bool_]

SHARES: Final = {"rain": 0.14, "fog": 0.08, "snow": 0.06}
"""Of images in each weather; the rest are dry."""
NIGHT: Final = 0.2
GLARE: Final = 0.1
OCCLUDED: Final = 0.18
SMALLEST, LARGEST, SMALL = 0.23, 0.48, 0.29
"""Half the side of a sign over the image's; below SMALL it counts as small."""

SLICES: Final = ("night", "rain", "fog", "snow", "glare", "occluded", "small")

_NUMBERS: Final = 40
_SCENE: Final = 1
"""Salt of these numbers; the pixels have others."""


@dataclass(frozen=True)
class Scene:
    """Parameters of n images; all arrays (n,) but where said.

    Attributes:
        words: the sample's own word, for pixels.
        radius: half the side of the sign over the image's side.
        centre: (n, 2) x and y of its centre over the side.
        turn: radians.
        stretch: (n, 2) how much narrower and lower it looks.
        tilt: (n, 2) perspective in x and y.
        fade: (n, 4) how far its colours are bleached, and factors of red, green, blue.
        cover: (n, 4) of what stands before it: kind, direction, depth, grey.
        blur: passes of the lens' blur.
        gain, lift: contrast and brightness.
        cast: (n, 3) colour of the light.
        noise: of the sensor.
        weather: (n, 4) amount, direction, grey, size.
        spot: (n, 4) centre, size and strength of a light.
        masks: slice -> (n,) whether it holds.
    """

    words: Words
    radius: Floats
    centre: Floats
    turn: Floats
    stretch: Floats
    tilt: Floats
    fade: Floats
    cover: Floats
    blur: NDArray[np.int64]
    gain: Floats
    lift: Floats
    cast: Floats
    noise: Floats
    weather: Floats
    spot: Floats
    masks: dict[str, Mask]


def conditions(words: Words) -> dict[str, Mask]:
    """Slice -> (n,) whether each image is in it; nothing is drawn."""
    return _masks(uniform(words, (_NUMBERS,), _SCENE))


def scene(words: Words) -> Scene:
    """The scenes of n samples."""
    u = uniform(words, (_NUMBERS,), _SCENE)
    masks = _masks(u)
    night = masks["night"]
    radius = _radius(u)
    free = np.maximum(np.float32(0.5) - radius * np.float32(0.85), np.float32(0.02))
    return Scene(
        words=words,
        radius=radius,
        centre=np.float32(0.5) + (u[:, 4:6] * 2 - 1) * free[:, None],
        turn=_between(u[:, 6] + u[:, 7] - 1, 0, 0.22),
        stretch=_between(u[:, 8:10], 1.0, 1.45) * np.array([[1.0, 0.86]], np.float32),
        tilt=_between(u[:, 10:12], -0.3, 0.3),
        fade=np.concatenate(
            [_between(u[:, 12:13], 0, 0.5) ** 2 * 2, _between(u[:, 13:16], 0.75, 1.15)], axis=1
        ),
        cover=u[:, 16:20],
        blur=np.floor(u[:, 20] ** 3 * 4).astype(np.int64),
        gain=np.where(night, _between(u[:, 21], 0.18, 0.5), _between(u[:, 21], 0.55, 1.15)),
        lift=np.where(night, 0, _between(u[:, 22], -0.06, 0.14)).astype(np.float32),
        cast=_between(u[:, 23:26], 0.85, 1.1),
        noise=np.where(night, _between(u[:, 26], 0.04, 0.12), _between(u[:, 26] ** 2, 0.02, 0.11)),
        weather=u[:, 27:31],
        spot=u[:, 31:35],
        masks=masks,
    )


def _masks(u: Floats) -> dict[str, Mask]:
    kinds, start = {}, 0.0
    for name, share in SHARES.items():
        kinds[name] = (u[:, 0] >= start) & (u[:, 0] < start + share)
        start += share
    night = u[:, 1] < NIGHT
    found = {
        "night": night,
        **kinds,
        "glare": u[:, 2] < GLARE,
        "occluded": u[:, 35] < OCCLUDED,
        "small": _radius(u) < SMALL,
    }
    return {name: found[name] for name in SLICES}


def _radius(u: Floats) -> Floats:
    return (np.float32(SMALLEST) * np.float32(LARGEST / SMALLEST) ** u[:, 3]).astype(np.float32)


def _between(u: Floats, low: float, high: float) -> Floats:
    return np.float32(low) + u * np.float32(high - low)
