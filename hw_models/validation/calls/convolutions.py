"""Time of convolutions by the algorithms that a library has for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from hw_models.cost.arrays import GEOMETRY
from hw_models.validation.calls.gpu import AMD, Gpu, warmed
from hw_models.validation.calls.products import CallTime, Products, fastest_tiling
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.validation.calls.constants import CallConstants
    from hw_models.validation.calls.gpu import BoolArray

DIRECT: Final = ((128, 128), (128, 64), (128, 32))
"""Tiles of direct convolutions. Source: neusight_conv (`volta_scudnn_128x64_relu_medium_nn`)."""
FROM_WINOGRAD: Final = ((64, 64), (128, 32), (128, 64), (32, 128))
"""Tiles of the products of transformed convolutions. Source: neusight_conv (`volta_sgemm_64x64_nn`)."""
FUSED_BLOCKS: Final = 32.0
FUSED_FILTERS: Final = 32.0
"""Blocks and filters of one tile of the fused kernel. Source: Lavin and Gray, CVPR 2016, section 5.2."""
IN_Y, IN_X = GEOMETRY.index("in_y"), GEOMETRY.index("in_x")
BYTES: Final = 4.0
"""The transforms are in FP32."""


def convolution_time(kernels: Kernels, gpu: Gpu, c: CallConstants, start_s: float) -> CallTime:
    """The fastest algorithm of each convolution; never of any other kernel."""
    conv = kernels.kind == OpKind.CONV
    direct = fastest_tiling(_direct(kernels, gpu, c), DIRECT, gpu, c, start_s)
    best = CallTime.never(len(kernels.cls)).or_faster(direct, c.overlap, start_s, conv)
    three = conv & _three_by_three(kernels) & (kernels.math == Precision.FP32)
    if three.any():
        best = best.or_faster(_fused_winograd(kernels, gpu, c), c.overlap, start_s, three)
        if gpu.library != AMD:
            best = best.or_faster(_winograd(kernels, gpu, c, start_s), c.overlap, start_s, three)
    return best


def _dims(kernels: Kernels) -> FloatArray:
    dims: FloatArray = kernels.dims.astype(np.float64).T
    return dims


def _three_by_three(kernels: Kernels) -> BoolArray:
    """(U,) 3 x 3 filters at every pixel of every channel."""
    d = kernels.dims
    plain: BoolArray = (kernels.geometry[:, :4] == 1).all(axis=1) & (kernels.geometry[:, 8] == 0)
    filters: BoolArray = (d[:, 6] == 3) & (d[:, 7] == 3) & (d[:, 1] == 1)
    return plain & filters


def _direct(kernels: Kernels, gpu: Gpu, c: CallConstants) -> Products:
    """The product of the unrolled input with the filters (Chetlur et al., cuDNN, 2014)."""
    d = _dims(kernels)
    inside = (kernels.geometry[:, IN_Y] * kernels.geometry[:, IN_X]).astype(np.float64)
    elements = (
        d[0] * d[1] * d[3] * np.where(inside > 0, inside, d[4] * d[5]) + d[1] * d[2] * d[3] * d[6] * d[7]
    )
    read = kernels.read_bytes + kernels.weight_bytes
    return Products(
        batch=d[1],
        m=d[0] * d[4] * d[5],
        n=d[2],
        depth=d[3] * d[6] * d[7],
        size=read / np.maximum(elements, 1.0),
        read=read,
        written=kernels.write_bytes,
        rate=gpu.rate(kernels) * c.convolution["direct"],
        matrix=gpu.on_matrix_units(kernels),
        split=False,
        rows_apart=np.zeros(len(kernels.cls), np.bool_),
    )


def _fused_winograd(kernels: Kernels, gpu: Gpu, c: CallConstants) -> CallTime:
    """F(2x2, 3x3) in one kernel: 16 products over blocks of 2 x 2 outputs (Lavin and Gray, CVPR 2016).

    The filters are transformed before, 16 / 9 of their bytes written and read again.
    """
    d = _dims(kernels)
    rate = gpu.rate(kernels)
    blocks = d[0] * np.ceil(d[4] / 2) * np.ceil(d[5] / 2)
    tiles = np.ceil(blocks / FUSED_BLOCKS) * np.ceil(d[2] / FUSED_FILTERS)
    each = 2.0 * 16.0 * FUSED_BLOCKS * FUSED_FILTERS * (np.ceil(d[3] / 8) * 8 + c.fill["vector"])
    reached = rate / gpu.units * c.convolution["fused"] * c.library.get(gpu.library, 1.0)
    mac = warmed(
        np.ceil(tiles / gpu.units) * each / reached,
        gpu.cap(rate, gpu.on_matrix_units(kernels), c.lane_energy),
        c.warm,
    )
    read = kernels.read_bytes + kernels.weight_bytes
    filters = 2.0 * 16.0 / 9.0 * kernels.weight_bytes / c.transforms["filters"]
    memory = (read / c.read["vector"] + kernels.write_bytes / c.written + filters) / gpu.bandwidth
    return CallTime(mac, memory, np.zeros(len(mac)))


def _winograd(kernels: Kernels, gpu: Gpu, c: CallConstants, start_s: float) -> CallTime:
    """F(4x4, 3x3) in steps: 36 products over blocks of 4 x 4 outputs, transforms before and after."""
    d = _dims(kernels)
    blocks = d[0] * np.ceil(d[4] / 4) * np.ceil(d[5] / 4)
    inputs, outputs = 36.0 * blocks * d[3] * BYTES, 36.0 * blocks * d[2] * BYTES
    filters = 36.0 * d[2] * d[3] * BYTES
    products = Products(
        batch=np.full(len(blocks), 36.0),
        m=blocks,
        n=d[2],
        depth=d[3],
        size=np.full(len(blocks), BYTES),
        read=inputs + filters,
        written=outputs,
        rate=gpu.rate(kernels) * c.convolution["transformed"],
        matrix=gpu.on_matrix_units(kernels),
        split=False,
        rows_apart=np.zeros(len(blocks), np.bool_),
    )
    time = fastest_tiling(products, FROM_WINOGRAD, gpu, c, start_s)
    moved = kernels.read_bytes + inputs + outputs + kernels.write_bytes
    transforms = (moved / c.transforms["images"] + 1.25 * filters / c.transforms["filters"]) / gpu.bandwidth
    return CallTime(time.total(c.overlap, 0.0), transforms, np.full(len(blocks), c.stages))
