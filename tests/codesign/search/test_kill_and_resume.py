"""Killed at random moments, or left with a cut journal: a resumed search writes the same bytes."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codesign.runs import RunFolder

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "kill_and_resume.py"


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kill_and_resume", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kill_and_resume"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def where(benchmark: ModuleType, tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is such a thing: thousands of small writes."""
    with tempfile.TemporaryDirectory(dir=benchmark.MEMORY if benchmark.MEMORY.is_dir() else tmp_path) as made:
        yield Path(made)


@pytest.mark.parametrize(("sampler", "n_trials"), [("cost_aware", 15), ("local", 45)])
def test_killed_and_cut(benchmark: ModuleType, where: Path, sampler: str, n_trials: int) -> None:
    """The small version of the benchmark: real kills, processes of different PYTHONHASHSEED."""
    servers = [benchmark.Server(s) for s in ("0", "5")]
    try:
        trialled = benchmark.Trialled(servers, where, {"sampler": sampler, "seed": 3, "n_trials": n_trials})
        same, killed = trialled.kills(2)
        assert same == 2 <= killed
        same, n = trialled.cuts([0, trialled.ends()[2], trialled.ends()[-1], *trialled.anywhere(2)])
        assert same == n == 5
    finally:
        for server in servers:
            server.close()


def test_a_journal_cut_at_any_byte_is_repaired(benchmark: ModuleType, where: Path) -> None:
    benchmark.study(where / "whole", "random", 3).run(2)
    raw = (where / "whole" / "journal.log").read_bytes()
    assert raw.count(b"\n") == 4
    folder = RunFolder(where)
    for cut in range(len(raw) + 1):
        folder.journal.write_bytes(raw[:cut])
        said = folder.repair_journal()
        whole = raw[: raw.rfind(b"\n", 0, cut) + 1]
        assert folder.journal.read_bytes() == whole
        assert bool(said) == (len(whole) < cut)


def test_a_draft_that_a_killed_process_left_is_no_strange_file(benchmark: ModuleType, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").touch()
    (folder / ".config.yaml.new").write_text("# half a")
    assert len(benchmark.study(folder, "random", 0).run(3).trials) == 3


def test_opening_a_journal_again_adds_nothing_to_it(benchmark: ModuleType, tmp_path: Path) -> None:
    benchmark.study(tmp_path / "run", "random", 0).run(3)
    before = (tmp_path / "run" / "journal.log").read_bytes()
    study = benchmark.study(tmp_path / "run", "random", 0).run(3)
    assert study.optuna_study.get_trials() != []
    assert (tmp_path / "run" / "journal.log").read_bytes() == before
