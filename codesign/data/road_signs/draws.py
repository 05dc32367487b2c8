"""Random numbers that are a function of where they are used: the same whatever is drawn beside them."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float32]

_STEP: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX: Final = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST: Final = np.uint64(31)
_MANTISSA: Final = np.uint64(40)
"""Bits dropped so that 24 are left, as many as a float32 holds exactly."""


def mixed(x: Words) -> Words:
    """SplitMix64's output function: every bit of the result depends on every bit of `x`.

    Source: Steele, Lea and Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 16.
    """
    x = x + _STEP
    for shift, factor in _MIX:
        x = (x ^ (x >> shift)) * factor
    return x ^ (x >> _LAST)


def keys(seed: int, stream: int, indices: NDArray[np.int64]) -> Words:
    """(n,) one word for each sample of a stream."""
    found = mixed(np.array([seed & 0xFFFFFFFFFFFFFFFF], np.uint64))
    for part in (np.array([stream], np.uint64), indices.astype(np.uint64)):
        found = mixed(found ^ part)
    return found


def uniform(words: Words, shape: tuple[int, ...], salt: int) -> Floats:
    """(n, *shape) numbers from 0 to 1, 1 not among them, independent for every `salt`."""
    count = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    places = mixed(count ^ (np.uint64(salt) << np.uint64(40)))
    bits = mixed(words[:, None] ^ places)
    return ((bits >> _MANTISSA).astype(np.float32) * np.float32(2.0**-24)).reshape(len(words), *shape)


def three_triangular(words: Words, shape: tuple[int, ...], salt: int) -> Floats:
    """(n, 3, *shape) numbers from -1 to 1, most often near 0 (standard deviation 0.41).

    Ten bits make one uniform number, two of them a sum, so one word gives all three.
    """
    count = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64)
    bits = mixed(words[:, None] ^ mixed(count ^ (np.uint64(salt) << np.uint64(40))))
    found = np.empty((len(words), 3, len(count)), np.float32)
    for channel in range(3):
        piece = (bits >> np.uint64(20 * channel + 4)).astype(np.uint32)
        total = (piece & np.uint32(1023)) + ((piece >> np.uint32(10)) & np.uint32(1023))
        np.multiply(total, np.float32(1 / 1023), out=found[:, channel], casting="unsafe")
    found -= np.float32(1)
    return found.reshape(len(words), 3, *shape)
