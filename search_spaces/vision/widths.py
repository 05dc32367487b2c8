"""How convolutional networks round their widths."""

from __future__ import annotations


def divisible(channels: float, by: int = 8) -> int:
    """Channels rounded to a multiple, never by more than a tenth down.

    Source: `_make_divisible` of tensorflow/models, research/slim/nets/mobilenet.
    """
    rounded = max(by, int(channels + by / 2) // by * by)
    return rounded + by if rounded < 0.9 * channels else rounded
