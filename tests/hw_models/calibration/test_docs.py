"""The worked example of docs/calibration.md runs as it stands."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pytest

    from hw_models.workload.graph import Workload

PAGE = Path(__file__).parents[3] / "docs" / "calibration.md"


def test_example_runs(
    networks: dict[str, Workload],
    measured: Callable[..., pd.DataFrame],
    chip_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(chip_file.parent)
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    names: dict[str, object] = {"networks": networks, "records": measured(scale=1.2)}
    exec(code, names)
    cost = names["cost"]
    assert cost.latency.fidelity == "calibrated"
    assert Path("my_gpu.calibration.yaml").is_file()
