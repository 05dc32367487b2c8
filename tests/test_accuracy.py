"""docs/accuracy.md is what the code predicts: CI fails where they drift apart."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_of_accuracy_holds() -> None:
    """The page is rendered again from the results, and a row of each device and mode is predicted again."""
    script = ROOT / "benchmarks" / "accuracy.py"
    run = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr[-2000:]
