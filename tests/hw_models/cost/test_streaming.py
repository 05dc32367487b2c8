"""The rate of a stream beside the latency: cores side by side, contexts, one thing at a time."""

from __future__ import annotations

import numpy as np
import pytest

from hw_models.cost.calibrated import Laws
from hw_models.cost.chips import Chips
from hw_models.cost.grid import evaluate
from hw_models.cost.models import calibrated_model
from hw_models.cost.streaming import stream_rate, stream_seconds
from hw_models.errors import NotCostableError
from hw_models.lowering import lower
from hw_models.measured.devices import accelerator_from_row
from hw_models.measured.dpu_config import with_dpu

BOARD = {"key": "b", "device": "b", "vendor": "n", "kind": "fpga npu", "int8_tops": 3.45, "mem_bw_gb_s": 19.2}


def model(runtime):
    """The law of a runtime alone: what was measured on other chips stays out."""
    return calibrated_model(Laws(runtime=runtime, own=False, anchored=False))


def test_three_cores_stream_faster_than_one_over_the_latency(conv_net) -> None:
    chip = with_dpu(accelerator_from_row(BOARD), "3 * B4096 @ 281MHz")
    found = lower([conv_net], lowering="ideal", precision="int8")
    chips = Chips.of([chip])
    latency = evaluate(found, chips, model("vitis_ai")).quantities["latency"].value[0, 0]
    period = stream_seconds(found, chips, model("vitis_ai"))
    assert latency / 3.01 < period.value[0, 0] < latency
    rate = stream_rate(conv_net, chip, precision="int8", model=model("vitis_ai"))
    assert rate.value == pytest.approx(1 / period.value[0, 0])
    assert rate.low == pytest.approx(1 / period.high[0, 0])
    assert rate.low < rate.value < rate.high
    assert rate.unit == "1/s"


def test_an_engine_that_does_one_thing_at_a_time_hides_its_start(conv_net, toy) -> None:
    found = lower([conv_net], lowering="ideal", precision="int8")
    chips, law = Chips.of([toy()]), model("rknn")
    latency = evaluate(found, chips, law).quantities["latency"]
    period = stream_seconds(found, chips, law)
    from hw_models.cost.laws.edge_npu import law as edge_law

    start = edge_law("ideal").constants.start
    assert latency.value[0, 0] - period.value[0, 0] == pytest.approx(start)
    # relative intervals are those of latency
    assert period.low / period.value == pytest.approx(latency.low / latency.value)


def test_a_batch_streams_faster_where_it_shares_loads(conv_net) -> None:
    row = {**BOARD, "kind": "npu", "external_dram": "no", "int8_tops": 0.05, "mem_bw_gb_s": 0.5}
    chip = accelerator_from_row(row)
    one = stream_rate(conv_net, chip, precision="int8", batch=1, model=model("hailort"))
    eight = stream_rate(conv_net, chip, precision="int8", batch=8, model=model("hailort"))
    assert eight.value > one.value


def test_ranges_of_the_chip_widen_the_interval(conv_net) -> None:
    told = accelerator_from_row({**BOARD, "kind": "npu", "mem_bw_gb_s": 12.8})
    guessed = accelerator_from_row({**BOARD, "kind": "npu", "mem_bw_gb_s": None, "memory": "LPDDR4"})
    assert told.dram.bandwidth.value == guessed.dram.bandwidth.value
    narrow, wide = (
        stream_rate(conv_net, c, precision="int8", model=model("hailort")) for c in (told, guessed)
    )
    assert narrow.value == wide.value
    assert wide.high / wide.low > narrow.high / narrow.low
    assert wide.fidelity == "prior"


def test_chips_side_by_side_are_as_alone(conv_net, toy) -> None:
    found = lower([conv_net], lowering="ideal", precision="int8")
    dpu = with_dpu(accelerator_from_row(BOARD), "2 * B4096 @ 300MHz")
    both = stream_seconds(found, Chips.of([toy(), dpu]), model("vitis_ai"))
    alone = [stream_seconds(found, Chips.of([c]), model("vitis_ai")) for c in (toy(), dpu)]
    for name in ("value", "low", "high"):
        expected = np.concatenate([getattr(a, name) for a in alone], axis=1)
        assert getattr(both, name) == pytest.approx(expected)


def test_a_chip_without_a_peak_has_no_rate(conv_net, toy) -> None:
    chip = toy(dram={"bandwidth": None})
    with pytest.raises(NotCostableError, match=r"toy is not costable: memory\.dram\.bandwidth"):
        stream_rate(conv_net, chip, precision="int8")
