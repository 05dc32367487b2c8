"""MediaPipe's detectors of faces and palms and its face mesh, of residual blocks that are depthwise.

Source: Bazarevsky et al., BlazeFace, CVPR workshops 2019; Kartynnik et al., Real-time Facial Surface
Geometry, CVPR workshops 2019; zmurez/MediaPipePyTorch, blazeface.py and blazeface_landmark.py (Apache-2.0).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from search_spaces.vision.architectures.layers import activation_of

if TYPE_CHECKING:
    from torch import Tensor

ANCHORS: Final = (2, 6)
"""Of the finer and of the coarser map."""
KEYPOINTS_AND_BOX: Final = 16
MESH: Final = 3 * 468


class BlazeBlock(nn.Module):
    """Depthwise and pointwise convolution; the identity is pooled and filled with zeros where it must be."""

    def __init__(self, c_in: int, out: int, stride: int = 1, activation: str = "relu") -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(c_in, c_in, 3, stride, 1, groups=c_in), nn.Conv2d(c_in, out, 1))
        self.pool = nn.MaxPool2d(stride, stride) if stride > 1 else nn.Identity()
        self.wider = out - c_in
        self.act = activation_of(activation, out)

    @override
    def forward(self, x: Tensor) -> Tensor:
        short = self.pool(x)
        if self.wider:
            short = functional.pad(short, (0, 0, 0, 0, 0, self.wider))
        y: Tensor = self.act(short + self.convs(x))
        return y


def _blocks(c_in: int, out: int, n: int, stride: int = 2, activation: str = "relu") -> list[nn.Module]:
    rest = [BlazeBlock(out, out, activation=activation) for _ in range(n - 1)]
    return [BlazeBlock(c_in, out, stride, activation), *rest]


class FaceDetector(nn.Module):
    """Scores and boxes of 896 anchors in an image of 256 pixels; 135 k parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3, 24, 5, 2, 2),
            nn.ReLU(),
            *_blocks(24, 24, 7, stride=1),
            *_blocks(24, 24, 8),
            *_blocks(24, 48, 8),
            *_blocks(48, 96, 8),
        )
        self.coarse = nn.Sequential(nn.Conv2d(96, 96, 3, 2, 1, groups=96), nn.Conv2d(96, 96, 1), nn.ReLU())
        self.scores = nn.ModuleList(nn.Conv2d(96, n, 1) for n in ANCHORS)
        self.boxes = nn.ModuleList(nn.Conv2d(96, n * KEYPOINTS_AND_BOX, 1) for n in ANCHORS)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(x)
        maps = (fine, self.coarse(fine))
        scores = [_by_anchor(head(m), 1) for head, m in zip(self.scores, maps, strict=True)]
        boxes = [_by_anchor(head(m), KEYPOINTS_AND_BOX) for head, m in zip(self.boxes, maps, strict=True)]
        return torch.cat(scores, 1), torch.cat(boxes, 1)


def _by_anchor(x: Tensor, values: int) -> Tensor:
    """(N, anchors x values, H, W) to (N, all anchors, values)."""
    return x.permute(0, 2, 3, 1).reshape(x.shape[0], -1, values)


class FaceLandmarks(nn.Module):
    """468 points of a face, and whether there is one, in an image of 192 pixels; 603 k parameters."""

    def __init__(self) -> None:
        super().__init__()
        act = "prelu"
        self.shared = nn.Sequential(
            nn.Conv2d(3, 16, 3, 2, 1),
            nn.PReLU(16),
            *_blocks(16, 16, 2, 1, act),
            *_blocks(16, 32, 3, 2, act),
            *_blocks(32, 64, 3, 2, act),
            *_blocks(64, 128, 3, 2, act),
            *_blocks(128, 128, 3, 2, act),
        )
        self.points = self._branch(3, MESH)
        self.present = self._branch(1, 1)

    @staticmethod
    def _branch(blocks: int, out: int) -> nn.Sequential:
        narrow = [nn.Conv2d(128, 32, 1), nn.PReLU(32), BlazeBlock(32, 32, activation="prelu")]
        return nn.Sequential(*_blocks(128, 128, blocks, 2, "prelu"), *narrow, nn.Conv2d(32, out, 3))

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.shared(x)
        return self.points(shared).flatten(1), self.present(shared).flatten(1).sigmoid()


class PalmDetector(nn.Module):
    """Scores and boxes of 2944 anchors in an image of 256 pixels; 1.76 M parameters.

    Source: zmurez/MediaPipePyTorch, blazepalm.py (Apache-2.0).
    """

    def __init__(self, values: int = 18) -> None:
        super().__init__()
        self.values = values
        self.fine = nn.Sequential(
            nn.Conv2d(3, 32, 3, 2, 1),
            nn.ReLU(),
            *_blocks(32, 32, 8, 1),
            *_blocks(32, 64, 8),
            *_blocks(64, 128, 8),
        )
        self.middle = nn.Sequential(*_blocks(128, 256, 8))
        self.coarse = nn.Sequential(*_blocks(256, 256, 8))
        self.up = nn.ModuleList([nn.ConvTranspose2d(256, 256, 2, 2), nn.ConvTranspose2d(256, 128, 2, 2)])
        self.after = nn.ModuleList([BlazeBlock(256, 256), BlazeBlock(128, 128)])
        widths = ((128, 2), (256, 2), (256, 6))
        self.scores = nn.ModuleList(nn.Conv2d(c, n, 1) for c, n in widths)
        self.boxes = nn.ModuleList(nn.Conv2d(c, n * values, 1) for c, n in widths)

    @override
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.fine(x)
        middle = self.middle(fine)
        coarse = self.coarse(middle)
        middle = self.after[0](middle + self.up[0](coarse).relu())
        fine = self.after[1](fine + self.up[1](middle).relu())
        maps = (fine, middle, coarse)
        scores = [_by_anchor(head(m), 1) for head, m in zip(self.scores, maps, strict=True)]
        boxes = [_by_anchor(head(m), self.values) for head, m in zip(self.boxes, maps, strict=True)]
        return torch.cat(scores, 1), torch.cat(boxes, 1)
