"""A CPU of which a run used some cores alone."""

import pytest

from hw_models.errors import InputError
from hw_models.measured.devices import shipped_devices
from hw_models.measured.threads import on_threads


@pytest.fixture(scope="module")
def cpu():
    return shipped_devices().accelerator("epyc_2core")


def test_one_thread_has_the_peak_of_one_core(cpu):
    one = on_threads(cpu, 1)
    assert one.main_engine.units.value == 1
    assert one.main_engine.peak["fp32"].value == pytest.approx(0.237e12 / 2)
    assert one.main_engine.vector_peak["fp32"].value == pytest.approx(0.237e12 / 2)
    assert one.dram == cpu.dram


@pytest.mark.parametrize("threads", [None, float("nan"), 2, 8])
def test_the_same_chip_where_nothing_is_told_or_every_core_works(cpu, threads):
    assert on_threads(cpu, threads) is cpu


def test_an_engine_that_is_no_cpu_stays():
    gpu = shipped_devices().accelerator("rtx4090")
    assert on_threads(gpu, 1) is gpu


def test_no_thread_is_refused(cpu):
    with pytest.raises(InputError, match="0 threads given for epyc_2core, expected at least 1"):
        on_threads(cpu, 0)
