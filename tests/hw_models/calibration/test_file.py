"""Calibration files that a hand or a crash has spoiled: refused by name, never used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hw_models.calibration.calibrate import calibrate
from hw_models.calibration.file import SUFFIX, read_calibration, write_calibration
from hw_models.calibration.find import calibration_of
from hw_models.errors import FileError


@pytest.fixture
def written(chip, measured, networks, chip_file: Path) -> Path:
    path = chip_file.with_name(f"my_gpu{SUFFIX}")
    write_calibration(calibrate(chip, measured(), workloads=networks), path)
    return path


def spoil(path: Path, pattern: str, by: str) -> None:
    text = path.read_text("utf-8")
    changed = re.sub(pattern, by, text, count=1)
    assert changed != text
    path.write_text(changed, encoding="utf-8")


@pytest.mark.parametrize(
    ("pattern", "by", "said"),
    [
        (r"compute_efficiency: .*", "compute_efficiency: 0", "is malformed"),
        (r"compute_efficiency: .*", "compute_efficiency: .nan", "scalars must be above 0"),
        (r"floor: .*", "floor: .nan", "'floor' and the steps of an interval must be finite"),
        (r"floor: .*", "floor: -0.1", "'floor' and the steps of an interval must be finite"),
        (r"half_width:\n(    +- .*\n)+", "half_width: [0.1, 0.2, 0.3]\n", "a half-width at each"),
        (r"(\n +chain_\w+,[\w.]+,)[-\d.]+,", r"\g<1>99,", "a residual is beyond 20 either way"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(written: Path, pattern: str, by: str, said: str) -> None:
    spoil(written, pattern, by)
    with pytest.raises(FileError, match=said):
        read_calibration(written)


def test_a_file_of_another_chip_is_refused(written: Path, chip) -> None:
    assert calibration_of(chip) is not None
    spoil(written, "chip: my_gpu", "chip: your_gpu")
    with pytest.raises(FileError, match="is of your_gpu, not of my_gpu"):
        calibration_of(chip)
