"""What a table's authors put in front of a network before they compiled it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.errors import InputError
from hw_models.workload.op import N_DIMS, OpKind, Precision, TensorKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hw_models.workload.graph import Workload

STEPS: Final = ("sub", "div")
"""The mean of each channel taken off, its deviation divided out."""

NORMALISES: Final = re.compile(r"midas|ffnet_\w+|deeplabv3_\w+|hrnet_face")
"""Networks of AI Hub beside its classifiers whose `forward` begins with `normalize_image_torchvision`.

Read off from qualcomm_aihub_latency where the code is not at hand: their latency differs between runtimes by
about 0.9 ns for each value of the image, as that of the classifiers does, and that of the others does not.
"""
SEGMENTS: Final = re.compile(r"(fcn|deeplabv3|lraspp)_")
OTHERWISE: Final = frozenset({"googlenet", "inception_v3"})
"""Classifiers that scale the channels of the image themselves (torchvision's `transform_input`)."""


CLASSIFIERS, SEGMENTERS = "224x224", "512x512"
"""Sizes at which registry networks were compiled, whatever size their page says that they were trained at.

Source: qualcomm/ai-hub-models, `ImagenetClassifier.get_input_spec` (one size for all). Read off latencies:
FCN-ResNet50 takes the time of 512x512 (page: 224x224), EfficientNet-B4 that of 224x224 (page: 380x380).
"""


def compiled_size(name: str) -> str:
    """The input at which a network of torchvision or timm was compiled."""
    return SEGMENTERS if SEGMENTS.match(name) else CLASSIFIERS


def as_compiled(name: str, workload: Workload, *, classifier: bool) -> Workload:
    """A network of AI Hub with what is compiled in front of it."""
    in_front = classifier and name not in OTHERWISE
    return normalised(workload) if in_front or NORMALISES.fullmatch(name) else workload


def normalised(workload: Workload) -> Workload:
    """The network with its first image (N, C, H, W) normalised by channel in front, in the network itself.

    Source: qualcomm/ai-hub-models, `qai_hub_models/models/_shared/imagenet_classifier/model.py`, `forward`:
        `normalize_image_torchvision` is part of what is compiled.

    Raises:
        InputError: no input is an image.
    """
    image = _image(workload)
    n = workload.n_tensors
    shape, elements = workload.shape(image), int(workload.tensor_elements[image])
    channels, made = (shape[1],), (n + 2, n + 3)
    shapes = [channels, channels, shape, shape]
    kinds = [TensorKind.CONSTANT, TensorKind.CONSTANT, TensorKind.ACTIVATION, TensorKind.ACTIVATION]
    precision = int(workload.tensor_precision[image])
    reads = [image, n, made[0], n + 1]
    renamed = np.where(workload.in_tensor == image, made[1], workload.in_tensor)
    dims = np.ones((len(STEPS), N_DIMS), np.int64)
    dims[:, 0] = elements
    return replace(
        workload,
        op_kind=_before(workload.op_kind, [OpKind.ELEMENTWISE] * 2),
        op_dims=np.concatenate([dims, workload.op_dims]),
        op_batch_dim=_before(workload.op_batch_dim, [0, 0]),
        op_vector_cost=_before(workload.op_vector_cost, [1.0, 1.0]),
        op_modelled=_before(workload.op_modelled, [True, True]),
        op_target=(*(f"aten.{step}" for step in STEPS), *workload.op_target),
        op_module=("normalise", "normalise", *workload.op_module),
        op_attrs=(*({"fn": step, "rank": len(shape)} for step in STEPS), *workload.op_attrs),
        in_ptr=np.concatenate([[0, 2], workload.in_ptr + len(reads)]),
        in_tensor=_before(renamed, reads),
        out_ptr=np.concatenate([[0, 1], workload.out_ptr + len(made)]),
        out_tensor=_before(workload.out_tensor, made),
        tensor_ptr=np.concatenate(
            [workload.tensor_ptr, workload.tensor_ptr[-1] + np.cumsum([len(s) for s in shapes])]
        ),
        tensor_dims=np.concatenate([workload.tensor_dims, *(np.array(s, np.int64) for s in shapes)]),
        tensor_precision=_after(workload.tensor_precision, [precision] * 4),
        tensor_kind=_after(workload.tensor_kind, kinds),
        tensor_batched=_after(workload.tensor_batched, [False, False, True, True]),
        tensor_storage=_after(workload.tensor_storage, range(n, n + 4)),
        outputs=tuple(made[1] if t == image else t for t in workload.outputs),
        meta={**workload.meta, "parameters": workload.params, "preprocessing": "normalised"},
    )


def _image(workload: Workload) -> int:
    """The first input that is an image of floats."""
    floats = (Precision.FP64, Precision.FP32, Precision.BF16, Precision.FP16)
    for t in np.flatnonzero(workload.tensor_kind == TensorKind.INPUT).tolist():
        if len(workload.shape(t)) == len("NCHW") and workload.tensor_precision[t] in floats:
            return int(t)
    shapes = [workload.shape(t) for t in np.flatnonzero(workload.tensor_kind == TensorKind.INPUT).tolist()]
    msg = f"'{workload.name}' has no image to normalise; inputs: {shapes}, expected one of (N, C, H, W)"
    raise InputError(msg)


def _before(values: NDArray[Any], first: Sequence[Any]) -> NDArray[Any]:
    return np.concatenate([np.array(first, values.dtype), values])


def _after(values: NDArray[Any], last: Sequence[Any] | range) -> NDArray[Any]:
    return np.concatenate([values, np.array(last, values.dtype)])
