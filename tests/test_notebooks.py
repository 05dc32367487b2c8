"""Every notebook runs from top to bottom as it is committed: without outputs, and without errors."""

from __future__ import annotations

import warnings
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
SECONDS = 90


def ids(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_is_committed_without_outputs(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert not any(c.get("outputs") or c.get("execution_count") for c in cells if c.cell_type == "code")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        # event-loop and socket warnings of Jupyter's client are not ours to mend
        warnings.simplefilter("ignore")
        from nbclient import NotebookClient

        notebook = nbformat.read(path, as_version=4)
        resources = {"metadata": {"path": str(tmp_path)}}
        client = NotebookClient(notebook, timeout=SECONDS, kernel_name="python3", resources=resources)
        client.execute()
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    assert any("text/html" in o.get("data", {}) for o in outputs)
    complaints = [o.text for o in outputs if o.output_type == "stream" and o.name == "stderr"]
    assert [c for c in complaints if "TqdmWarning: IProgress not found" not in c] == []


def test_the_first_notebook_has_ten_cells() -> None:
    first = next(p for p in NOTEBOOKS if p.stem == "01_first_front")
    assert len(nbformat.read(first, as_version=4).cells) == 10
