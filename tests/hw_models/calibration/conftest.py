"""Networks of convolutions small enough to trace by hand, a GPU of one's own, and its measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

from hw_models.cost.calibrated import Laws
from hw_models.cost.estimate import estimate_many
from hw_models.cost.models import calibrated_model
from hw_models.spec.load import PACKAGED, load_chip
from hw_models.workload.graph import TensorKind, Workload, WorkloadBuilder
from hw_models.workload.op import OpKind, Precision

if TYPE_CHECKING:
    from hw_models.spec.accelerator import Accelerator

LAW_ALONE = calibrated_model(Laws(own=False, anchored=False))


def _chain(name: str, width: int, depth: int, window: int) -> Workload:
    b = WorkloadBuilder(name)
    fp32 = Precision.FP32
    x = b.tensor((1, width, 28, 28), fp32, TensorKind.INPUT, batched=True)
    for _ in range(depth):
        w = b.tensor((width, width, window, window), fp32, TensorKind.WEIGHT, batched=False)
        y = b.tensor((1, width, 28, 28), fp32, TensorKind.ACTIVATION, batched=True)
        dims = (1, 1, width, width, 28, 28, window, window)
        attrs = {"weights": 1, "stride": [1, 1]}
        b.op(OpKind.CONV, dims, (x, w), (y,), target="aten.convolution", batch_dim=0, attrs=attrs)
        x = y
    return b.finish((x,))


@pytest.fixture(scope="session")
def networks() -> dict[str, Workload]:
    """36 chains: 12 families by width and window, of three depths each."""
    return {
        f"chain_{width}_{window}_{depth}": _chain(f"chain_{width}_{window}_{depth}", width, depth, window)
        for width in (32, 64, 128, 192, 256, 384)
        for window in (1, 3)
        for depth in (4, 8, 16)
    }


@pytest.fixture
def chip_file(tmp_path: Path) -> Path:
    """A GPU of one's own: the file of an A40 under another name."""
    file = tmp_path / "my_gpu.yaml"
    text = (PACKAGED / "a40.yaml").read_text("utf-8")
    file.write_text(text.replace("name: a40", "name: my_gpu", 1), encoding="utf-8")
    return file


@pytest.fixture
def chip(chip_file: Path) -> Accelerator:
    return load_chip(chip_file)


@pytest.fixture
def measured(networks: dict[str, Workload], chip: Accelerator) -> Callable[..., pd.DataFrame]:
    """Builder of records: the law's times x `scale` x a factor of each network's own x noise."""

    def build(
        scale: float = 1.0, own: Callable[[str], float] = lambda _: 1.0, n: int = 36, **cells: Any
    ) -> pd.DataFrame:
        names = list(np.random.default_rng(1).permutation(list(networks)))[:n]
        grid = estimate_many([networks[k] for k in names], [chip], model=LAW_ALONE, batch=64)
        noise = np.exp(np.random.default_rng(2).normal(0.0, 0.02, len(names)))
        seconds = grid.quantities["latency"].value[:, 0] * scale * noise * [own(k) for k in names]
        return pd.DataFrame(
            {
                "dataset": "own",
                "device": "my_gpu",
                "phase": "infer",
                "network": names,
                "family": [k.rpartition("_")[0] for k in names],
                "precision": "fp16",
                "compiled": 1,
                "runtime": "torch",
                "runtime_version": "2.9.1",
                "batch": 64,
                "mean_s": seconds,
                "source": "made for the tests",
            }
            | cells
        )

    return build
