"""The calibration of a chip: the one that lies beside its file, or that ships."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hw_models.calibration.file import AGAIN, SUFFIX, read_calibration
from hw_models.calibration.setting import figures_hash
from hw_models.errors import FileError, InputError
from hw_models.spec.load import PACKAGED, file_of

if TYPE_CHECKING:
    from hw_models.calibration.setting import Calibration
    from hw_models.spec.accelerator import Accelerator

SHIPPED: Final = PACKAGED / "calibrations"
"""Calibrations of packaged chips, made by `benchmarks/calibrate_shipped.py`."""


def calibration_of(chip: Accelerator) -> Calibration | None:
    """The calibration that lies beside the file of a chip, else one that ships for its name; None: neither.

    A chip that differs from its file, as one with levers pulled does, has none.

    Raises:
        FileError: the file is malformed, of another version or of another chip.
        InputError: the chip's file has changed since.
    """
    for path in (beside(chip), SHIPPED / f"{chip.label}{SUFFIX}"):
        if path is None or not path.is_file():
            continue
        found = _current(path)
        if found.chip != chip.label:
            raise FileError.at(
                path, f"is of {found.chip}, not of {chip.label}; name it after its own chip", line=1
            )
        if found.figures == figures_hash(chip):
            return found
        if path.parent != SHIPPED and file_of(chip) is not None:
            raise stale(found, chip, str(path))
    return None


def beside(chip: Accelerator) -> Path | None:
    """Where the calibration of a chip lies if there is one: beside the file that it was read from."""
    file = file_of(chip)
    return None if file is None else file.with_name(f"{chip.label}{SUFFIX}")


def stale(calibration: Calibration, chip: Accelerator, path: str) -> InputError:
    """The refusal of a calibration whose chip has other figures by now."""
    return InputError(
        f"{path}: made for other figures of {calibration.chip} than {chip.label} has now; undo the change "
        f"of the chip's file, or calibrate it again with {AGAIN}"
    )


def shipped() -> tuple[Calibration, ...]:
    """Every calibration that ships, by name of the chip."""
    paths = sorted(SHIPPED.glob(f"*{SUFFIX}")) if SHIPPED.is_dir() else []
    return tuple(_current(path) for path in paths)


def _current(path: Path) -> Calibration:
    return _read_once(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _read_once(path: Path, _changed: int) -> Calibration:
    return read_calibration(path)
