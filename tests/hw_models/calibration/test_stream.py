"""The rate of a stream on a chip that was measured: its calibration counts there as it does in a latency."""

from __future__ import annotations

import pytest

from hw_models.calibration.calibrate import calibrate
from hw_models.calibration.file import write_calibration
from hw_models.cost.estimate import estimate
from hw_models.cost.streaming import stream_rate
from hw_models.spec.load import load_chip


def test_a_stream_is_as_slow_as_the_chip_was_measured(measured, networks, chip_file) -> None:
    network = networks["chain_128_3_8"]
    before = stream_rate(network, load_chip(chip_file), batch=64)
    made = calibrate(load_chip(chip_file), measured(scale=1.6), workloads=networks)
    write_calibration(made, chip_file.with_name("my_gpu.calibration.yaml"))
    after = stream_rate(network, load_chip(chip_file), batch=64)
    assert before.value / after.value == pytest.approx(1.6, rel=0.05)
    latency = estimate(network, load_chip(chip_file), model="calibrated", batch=64).latency
    assert after.fidelity == latency.fidelity == "calibrated"
    # one step at a time: the period is the latency but for what the host does beside
    assert 0.95 * latency.value < 64 / after.value <= latency.value * (1 + 1e-9)
    # what was measured one after the other makes a stream no surer than the class
    assert after.value / after.low >= latency.high / latency.value * (1 - 1e-9)
