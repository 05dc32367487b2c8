"""Rows of Qualcomm AI Hub with their networks and chips, for `fit_law_npu.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.cost.chips import Chips
from hw_models.cost.roofline import Roofline
from hw_models.errors import CodesignError
from hw_models.lowering import lower
from hw_models.measured.loaders import load
from hw_models.measured.stand_ins import running
from hw_models.workload.named import NamedNetwork
from search_spaces.published.catalogue import published_network

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.measured.devices import DeviceTable
    from hw_models.workload.graph import Workload

DATASET: Final = "qualcomm_aihub_latency"
FORMATS: Final = {"fp16": "float", "int8": "w8a8", "w8a16": "w8a16"}
"""Precision of the records -> as the table calls it."""
RUNTIMES: Final = ("qnn_dlc",)
LOWERING: Final = "ideal"
SAME_PARAMS: Final = 0.02
NOT_FITTED: Final = {
    "midas": "lowering keeps its norms apart, because padding stands between them and the next convolution"
}
"""Networks whose kernels are known not to be what a vendor's compiler makes."""
Net = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of one format.

    Attributes:
        form: precision; networks, families: (N,).
        kernels: one network a row; seconds: (U, C, R) of the roofline on the study's chips.
        truth: (N, C) s; NaN: not measured.
    """

    form: str
    networks: tuple[Net, ...]
    families: tuple[str, ...]
    kernels: Kernels
    seconds: FloatArray
    truth: FloatArray


def rows_of(data: Path) -> tuple[pd.DataFrame, DeviceTable]:
    """Rows with every layer on the NPU, `key` the device's, and what the devices are."""
    measured = load(data, datasets=[DATASET])
    rows = measured.records[DATASET].frame
    whole = (rows["engine"] == "npu") & (rows["layers_npu"] == rows["layers"])
    rows = rows[whole & rows["runtime"].isin(RUNTIMES) & rows["precision"].isin(FORMATS)]
    keys = {d: measured.devices.key(DATASET, "device", d) for d in rows["device"].unique()}
    names = rows.groupby("network")["component"].transform("nunique")
    component = rows["component"].where(names > 1, "")
    return rows.assign(
        key=rows["device"].map(keys), net=list(zip(rows["network"], component, strict=True))
    ), measured.devices


def networks_of(rows: pd.DataFrame) -> tuple[dict[Net, Workload], dict[Net, str]]:
    """The networks that can be rebuilt as they were measured, and the reasons of the others."""
    found: dict[Net, Workload] = {}
    refused: dict[Net, str] = {}
    for net, some in rows.groupby("net", sort=True):
        row = some.iloc[0]
        params = float(row["params"]) if row["params"] > 0 else None
        shape = row["input_shape"] if isinstance(row["input_shape"], str) else ""
        request = NamedNetwork(DATASET, net[0], component=net[1], input_shape=shape, params=params)
        try:
            workload = published_network(request)
        except CodesignError as error:
            refused[net] = str(error)
            continue
        if net[0] in NOT_FITTED:
            refused[net] = NOT_FITTED[net[0]]
        elif params and abs(workload.params - params) > max(SAME_PARAMS * params, 5e4):
            refused[net] = f"{workload.params / 1e6:.2f} M parameters, {params / 1e6:.2f} M in the table"
        else:
            found[net] = workload
    return found, refused


def chips_of(rows: pd.DataFrame, devices: DeviceTable) -> Chips:
    """The devices as chips, with class figures for formats that they were seen to run."""
    return Chips.of(seen_to_run(devices.accelerator(key)) for key in sorted(rows["key"].unique()))


def seen_to_run(chip: Any) -> Any:
    """The chip with a peak at every format of the table."""
    for form in ("fp16", "int16"):
        chip = running(chip, form)
    return chip


def parts_of(rows: pd.DataFrame, networks: dict[Net, Workload], chips: Chips) -> tuple[Part, ...]:
    """The rows by format."""
    parts = []
    rows = rows[rows["net"].isin(list(networks))]
    for form in FORMATS:
        some = rows[rows["precision"] == form]
        nets = sorted(some["net"].unique())
        truth = np.full((len(nets), len(chips)), np.nan)
        means = some.assign(log=np.log(some["mean_s"])).groupby(["net", "key"])["log"].mean()
        for (net, key), value in means.items():
            truth[nets.index(net), chips.names.index(key)] = np.exp(value)
        family = some.drop_duplicates("net").set_index("net")["family"]
        kernels = lower([networks[n] for n in nets], lowering=LOWERING, precision=form, batch=1)
        seconds = Roofline().terms(kernels, chips).seconds
        parts.append(Part(form, tuple(nets), tuple(family[n] for n in nets), kernels, seconds, truth))
    return tuple(parts)
