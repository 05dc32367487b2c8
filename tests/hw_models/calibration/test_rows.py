"""Rows that look like networks and are none: operators of a profile, times of another unit."""

from __future__ import annotations

import pandas as pd
import pytest

from hw_models.calibration.calibrate import calibrate
from hw_models.errors import InputError


def test_operators_of_a_profile_are_no_networks(networks, chip, measured) -> None:
    whole = measured(n=6)
    # as `codesign measure` writes them: an operator names the network that it stands in
    parts = pd.concat([whole.assign(operator="conv", mean_s=whole["mean_s"] * k) for k in (0.01, 0.012)])
    made = calibrate(chip, pd.concat([whole, parts], ignore_index=True), workloads=networks)
    assert made.set_aside == {"of a single operator, which tells nothing of whole networks": 12}
    assert len(made.settings[0]) == made.n_rows == 6
    assert made.settings[0].scalars.fixed == pytest.approx(1.0, abs=0.1)


def test_times_that_no_chip_of_such_a_peak_can_have_are_refused(networks, chip, measured) -> None:
    truth = measured(n=12)
    truth.loc[truth.index[:5], "mean_s"] /= 1000.0
    made = calibrate(chip, truth, workloads=networks)
    told = [reason for reason in made.set_aside if "faster than the peak of my_gpu allows" in reason]
    assert len(told) == 5
    assert len(made.settings[0]) == 7
    with pytest.raises(InputError, match="times faster than the peak of my_gpu allows: another unit or chip"):
        calibrate(chip, truth[:5], workloads=networks)
