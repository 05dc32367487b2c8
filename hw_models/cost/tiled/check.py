"""What `codesign chips check` says about the `dataflow` of a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hw_models.cost.tiled.registry import misfits, organisation
from hw_models.spec.check import Checked, Diagnosis
from hw_models.spec.load import line_finder


def with_dataflow(checked: Checked) -> Checked:
    """The outcome with errors for unknown kinds and parameters, warnings for figures that tiles need."""
    chip = checked.chip
    if chip is None or all(engine.dataflow is None for engine in chip.engines):
        return checked
    line_of = line_finder(Path(checked.file))
    remarks = list(checked.remarks)
    for engine in chip.engines:
        if engine.dataflow is None:
            continue
        path = f"engines.{engine.name}.dataflow"
        wrong = misfits(engine.dataflow)
        remarks += [Diagnosis(checked.file, line_of(path), path, "error", said) for said in wrong]
        if not wrong and engine is chip.main_engine:
            gaps = organisation(engine.dataflow.kind).missing(chip)
            said = f"model 'tiled' needs {', '.join(gaps)}"
            remarks += [Diagnosis(checked.file, line_of(path), path, "warning", said)] if gaps else []
    return replace(checked, remarks=tuple(remarks))
