"""The law of dataflow chips: what fits runs in one context, loads are shared by a batch, physics."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hw_models.cost.arrays import KernelClass
from hw_models.cost.chips import Chips
from hw_models.cost.laws import dataflow
from hw_models.cost.laws.catalogue import law as found_law
from hw_models.cost.laws.catalogue import usual_runtime
from hw_models.cost.roofline import DRAM, MAC, VECTOR, Roofline
from hw_models.errors import InputError
from hw_models.measured.devices import accelerator_from_row, shipped_devices

CHIP = {
    "key": "chip",
    "device": "c",
    "vendor": "nobody",
    "kind": "npu",
    "int8_tops": 26.0,
    "memory": "none",
    "external_dram": "no",
    "mem_bw_gb_s": 4.0,
}


def demand(batch=1.0, **changes):
    figures = {f: 0.0 for f in dataflow.Demand.__dataclass_fields__} | {"batch": batch} | changes
    return dataflow.Demand(**{name: np.array([value]) for name, value in figures.items()})


def period(c=None, peak=26e12, link=4e9, **changes) -> float:
    return float(dataflow.period(demand(**changes), c or dataflow.law("ideal").constants, peak, link)[0])


def test_channels_come_in_blocks_of_sixteen(kernels) -> None:
    rows = [{"cls": KernelClass.CONV}, {"cls": KernelClass.DEPTHWISE, "macs": 5e3}]
    rows.append({"cls": KernelClass.CONV, "vector_ops": 700.0, "write_bytes": 500.0})
    found = replace(
        kernels(rows, lowering="ideal"),
        dims=np.array([(2, 1, 20, 3, 4, 4, 3, 3), (1, 8, 1, 1, 4, 4, 3, 3), (1, 1, 8, 8, 4, 4, 1, 1)]),
    )
    macs, depthwise, operations = dataflow.work(found)
    assert macs.tolist() == [2 * 16 * 9 * 16 * 32, 0, 16 * 256]
    assert depthwise.tolist() == [0, 5e3, 0]
    # 500 activations come with the layer, 200 operations are a sum
    assert operations.tolist() == [0, 0, 200]


def test_a_network_that_fits_streams_at_the_rate_of_its_work() -> None:
    c = dataflow.law("ideal").constants
    alone = period(macs=13e9, layers=1.0)
    assert alone == pytest.approx(1e-3 / c.mac + c.start, rel=0.02)
    assert period(macs=13e9 * 8, layers=1.0, batch=8.0) == pytest.approx(8 * alone, rel=0.02)


def test_a_batch_shares_the_loads_of_contexts() -> None:
    c = dataflow.law("ideal").constants
    many = {"weights": 200e6, "layers": 300.0}
    one, eight = period(macs=1e9, **many), period(macs=8e9, batch=8.0, **many)
    loads = c.load * 200e6 / 4e9
    assert one > loads
    assert eight < 8 * one
    full = 200e6 / c.weights + 300 / c.layers
    each = 1e9 / 13e12 / c.mac + c.start + c.hop * full
    assert eight - one == pytest.approx(7 * each, rel=0.05)


def test_more_peak_or_link_is_never_slower() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        given = {
            "macs": 10 ** rng.uniform(8, 11),
            "depthwise": 10 ** rng.uniform(5, 8),
            "weights": 10 ** rng.uniform(6, 8.5),
            "layers": rng.uniform(10, 200),
            "maps": 10 ** rng.uniform(6, 8),
            "inputs": 1.5e5,
        }
        here = period(**given)
        assert period(peak=40e12, **given) <= here * (1 + 1e-12)
        assert period(link=8e9, **given) <= here * (1 + 1e-12)


def test_latency_is_layer_after_layer(kernels) -> None:
    found = kernels([{"cls": KernelClass.CONV, "read_bytes": 1e5}], lowering="ideal")
    found = replace(found, dims=np.array([(1, 1, 64, 64, 56, 56, 3, 3)]))
    law, chips = dataflow.law("ideal"), Chips.of([accelerator_from_row(CHIP)])
    seconds = law.apply(Roofline().terms(found, chips).seconds, found, chips)[0, 0]
    c = law.constants
    assert seconds[MAC] == pytest.approx(64 * 64 * 56 * 56 * 9 / (13e12 * c.mac))
    assert seconds[VECTOR] == 0
    assert seconds[DRAM] == pytest.approx(c.entry * 1e5 / 4e9)
    assert law.start(chips)[0] == c.start
    low, high = law.interval(chips)[:, 0]
    assert low < law.stream_interval(chips)[0, 0] * 1.01
    assert high > law.stream_interval(chips)[1, 0], "nobody published latencies"


def test_it_is_the_law_of_hailo_and_leaves_out_what_is_asked() -> None:
    law = found_law("npu", "ideal", "hailort zoo v2.17.0")
    assert isinstance(law, dataflow.DataflowLaw)
    name = shipped_devices().accelerator("hailo-8l").name
    assert found_law("npu", "ideal", "hailort", f"device:{name}") != law
    assert found_law("npu", "ideal", "hailort", "family:2") != law
    with pytest.raises(InputError, match="no law of dataflow chips for lowering 'quick'"):
        dataflow.law("quick")


def test_a_chip_of_which_nobody_says_what_executes_has_the_law_of_its_kind(toy) -> None:
    devices = shipped_devices()
    usual = {key: usual_runtime(devices.accelerator(key)) for key in ("hailo-15l", "zcu104", "rk1808", "s24")}
    assert usual == {"hailo-15l": "hailort", "zcu104": "vitis_ai", "rk1808": "rknn", "s24": None}
    assert usual_runtime(toy()) is None
    assert usual_runtime(devices.accelerator("rtx4090")) is None
