"""SqueezeNet 1.1 with a padded first convolution, so that maps are 56, 28 and 14 pixels wide.

Source: Iandola et al., SqueezeNet, arXiv 1602.07360; osmr/imgclsmob (MIT).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn


def padded_squeezenet(classes: int = 1000) -> nn.Module:
    """SqueezeNet 1.1; 1.24 M parameters, 0.39 G MACs at 224 pixels."""
    from torchvision.models import squeezenet1_1

    module: Any = squeezenet1_1(weights=None, num_classes=classes)
    first: nn.Conv2d = module.features[0]
    first.padding = (1, 1)
    network: nn.Module = module
    return network
