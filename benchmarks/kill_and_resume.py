"""Searches killed at random moments and resumed: is the outcome the same, byte for byte?

    python benchmarks/kill_and_resume.py [--samplers cost_aware local ...] [--kills 200] [--cuts 500]

For each sampler one search runs undisturbed. Then `--kills` searches of the same seed are ended by SIGKILL at
random moments, some of them twice, and resumed by a process with another PYTHONHASHSEED. Then the journal of
the undisturbed search is cut: at every byte of its head and of its last line and at 1,000 others, to see what
is repaired; after every line and at `--cuts` random bytes, to see what the resumed search comes to. Compared
are the whole journal, forecasts included, without times and process names, and the table of the trials.
Writes `benchmarks/results/kill_and_resume.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
from typing_extensions import override

from codesign.evaluate import Evaluation, PointCost
from codesign.runs import RunFolder
from codesign.search.guards import StudyWarning
from codesign.search.study import Study
from hw_models.cost.base import Estimate
from search_spaces.candidate import Candidate
from search_spaces.knobs import Bool, Choice, IntRange, Knob
from search_spaces.space import SearchSpace

RESULT: Final = Path(__file__).parent / "results" / "kill_and_resume.json"
SAMPLERS: Final = ("cost_aware", "local", "nsga2", "tpe", "random")
HASH_SEEDS: Final = ("0", "1", "4294967295")
CHIPS: Final = tuple(f"chip{i:02d}" for i in range(24))
TIMES: Final = ("datetime_start", "datetime_complete", "worker_id")
ELSEWHERE: Final = 1000
"""Cuts between the head and the last line that are repaired."""
MEMORY: Final = Path("/dev/shm")
POLL_S: Final = 0.002
TWICE: Final = 0.3
"""Share of the searches that are killed again while they are resumed."""


@dataclass(frozen=True)
class Stacks(SearchSpace):
    """Depth, width and squeeze against time on 24 chips; `ratio` counts only with `squeeze`: 5,760 points."""

    name: str = "stacks"
    _knobs: ClassVar[Mapping[str, Knob]] = {
        "depth": IntRange(1, 8),
        "width": Choice((16, 24, 32, 48, 64, 96, 128, 192, 256, 384), ordered=True),
        "squeeze": Bool(),
        "ratio": Choice((4, 8)),
        "chip": Choice(CHIPS),
    }

    @property
    @override
    def knobs(self) -> Mapping[str, Knob]:
        return self._knobs

    @property
    @override
    def size(self) -> int:
        return 8 * 10 * 3 * len(CHIPS)

    @override
    def canonical(self, candidate: Candidate) -> Candidate:
        whole = super().canonical(Candidate({"ratio": 4, **candidate}))
        return whole if whole["squeeze"] else whole.only(["depth", "width", "squeeze", "chip"])

    @override
    def build(self, candidate: Candidate) -> None:
        return None


class Paid:
    """Costs in closed form and an error that has no short decimals; a chip in twelve tells no energy."""

    paid: ClassVar = ("error_pct", "top1_pct")

    def __call__(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """One evaluation for each."""
        return (evaluated(c) for c in candidates)

    def free(self, candidates: Sequence[Candidate]) -> Iterator[Evaluation]:
        """All but the error."""
        return (replace(evaluated(c), error=Estimate.unknown("%")) for c in candidates)


def evaluated(c: Candidate) -> Evaluation:
    """One point: larger networks err less and take longer, chips trade time for energy."""
    depth, width, chip = int(c["depth"]), int(c["width"]), CHIPS.index(str(c["chip"]))
    ratio = int(c.get("ratio", 0))
    macs = depth * width**1.7 * (1 + (1 / ratio if ratio else 0))
    error = 20 + 40 / (1 + macs / 9000) ** 0.7 - (ratio and 6 / ratio) + 0.8 * np.sin(depth * 7.0 + width)
    seconds = macs * 3e-8 * (1 + chip / 7)
    joules = macs * 2e-8 / (1 + chip / 5) ** 0.6
    return Evaluation(
        c,
        network=f"stack-{depth}-{width}-{ratio}",
        chip=str(c["chip"]),
        precision="int8",
        cost=PointCost(
            latency=Estimate(seconds, seconds * 0.9, seconds * 1.2, "roofline", "s"),
            energy=Estimate.unknown("J")
            if chip % 12 == 11
            else Estimate(joules, joules / 2, joules * 2, "prior", "J"),
        ),
        error=Estimate(float(error), float(error) - 0.3, float(error) + 0.3, "published", "%"),
        facts={"params_m": depth * width**2 / 1e6, "macs_g": macs / 1e6},
        bound="mac",
    )


def study(folder: str | Path, sampler: str, seed: int) -> Study:
    """The search that is killed."""
    return Study(
        Stacks(),
        ["error_pct", "latency_ms", "energy_mj"],
        {"latency_ms": "<= 30"},
        seed=seed,
        storage=folder,
        sampler=sampler,
        evaluator=Paid(),
    )


class Server:
    """A process that has imported everything and forks one search after the other.

    Args:
        hash_seed: its PYTHONHASHSEED.
    """

    def __init__(self, hash_seed: str) -> None:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env,
        )  # fmt: skip

    def run(self, folder: Path, job: Mapping[str, Any], kill_after: float | None = None) -> tuple[int, float]:
        """Search in a folder; exit status (-9: killed) and seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"folder": str(folder), **job, "kill_after": kill_after}), file=self._process.stdin,
              flush=True)  # fmt: skip
        status, seconds = json.loads(self._process.stdout.readline())
        return int(status), float(seconds)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def serve() -> None:
    """Fork a search for each line of stdin, kill it when it is time, answer with its status and seconds."""
    for line in sys.stdin:
        job = json.loads(line)
        began = time.perf_counter()
        child = os.fork()
        if not child:
            _search(job)
        ended, status = 0, 0
        while job["kill_after"] is not None and not ended and time.perf_counter() - began < job["kill_after"]:
            time.sleep(POLL_S)
            ended, status = os.waitpid(child, os.WNOHANG)
        if not ended:
            if job["kill_after"] is not None:
                os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), time.perf_counter() - began]), flush=True)


def _search(job: Mapping[str, Any]) -> None:
    status = 1
    try:
        warnings.simplefilter("error")
        # a torn last line is expected; that a round cannot be asked again is not
        warnings.filterwarnings("ignore", ".*was cut off in the middle of a write", StudyWarning)
        study(job["folder"], job["sampler"], job["seed"]).run(job["n_trials"])
        status = 0
    finally:
        os._exit(status)


def outcome(folder: Path) -> bytes:
    """What must be equal: every line of the journal but for times and process names, then the table."""
    lines = [json.loads(line) for line in (folder / "journal.log").read_bytes().splitlines()]
    kept = [{k: v for k, v in line.items() if k not in TIMES} for line in lines]
    return json.dumps(kept).encode() + (folder / "trials.parquet").read_bytes()


@dataclass
class Trialled:
    """One sampler: its undisturbed search and those that are compared with it.

    Args:
        servers: who runs the searches.
        where: folder for all of them.
        job: sampler, seed and trials.
    """

    servers: Sequence[Server]
    where: Path
    job: Mapping[str, Any]

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(7)
        self.whole = self.where / "whole"
        status, self.seconds = self.servers[0].run(self.whole, self.job)
        if status:
            msg = f"the undisturbed search failed: {self.job}"
            raise RuntimeError(msg)
        self.expected = outcome(self.whole)

    def kills(self, n: int) -> tuple[int, int]:
        """Searches with the same outcome of n that were killed and resumed; kills in all."""
        same = killed = done = 0
        while done < n:
            folder = self._new()
            if not self._killed(folder, self.rng.uniform(0, 1.05 * self.seconds)):
                continue
            done, killed = done + 1, killed + 1
            if self.rng.random() < TWICE:
                killed += self._killed(folder, self.rng.uniform(0, 0.5 * self.seconds))
            same += self._resumed(folder)
        return same, killed

    def repaired(self) -> tuple[int, int]:
        """Cuts of the journal that leave the whole lines before them; every byte of its ends, and others."""
        raw = (self.whole / "journal.log").read_bytes()
        third = raw.index(b"{", raw.index(b"\n", raw.index(b"\n") + 1))
        last = raw.rfind(b"\n", 0, len(raw) - 1) + 1
        within = self.rng.integers(third, last, ELSEWHERE).tolist()
        places = [*range(third), *within, *range(last, len(raw) + 1)]
        folder = RunFolder(self._new())
        folder.path.mkdir()
        same = 0
        for cut in places:
            folder.journal.write_bytes(raw[:cut])
            folder.repair_journal()
            same += folder.journal.read_bytes() == raw[: raw.rfind(b"\n", 0, cut) + 1]
        shutil.rmtree(folder.path)
        return same, len(places)

    def ends(self) -> list[int]:
        """Places after each line but the last, and before the first."""
        raw = (self.whole / "journal.log").read_bytes()
        return [0, *(i + 1 for i, byte in enumerate(raw[:-1]) if byte == ord("\n"))]

    def anywhere(self, n: int) -> list[int]:
        """Random places."""
        return [int(i) for i in self.rng.integers(0, (self.whole / "journal.log").stat().st_size, n)]

    def cuts(self, places: Sequence[int]) -> tuple[int, int]:
        """Resumed searches with the same outcome, of a journal cut at these bytes; their number."""
        raw = (self.whole / "journal.log").read_bytes()
        same = 0
        for place in places:
            folder = self._new()
            folder.mkdir()
            shutil.copy(self.whole / "config.yaml", folder)
            (folder / "journal.log").write_bytes(raw[:place])
            same += self._resumed(folder)
        return same, len(places)

    def _new(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.where)) / "run"

    def _killed(self, folder: Path, after: float) -> bool:
        status, seconds = self._server().run(folder, self.job, after)
        if status not in (0, -signal.SIGKILL):
            msg = f"a search that was to be killed ended with {status} in {folder}"
            raise RuntimeError(msg)
        if not status:  # it ended before: others use this machine less than they did
            self.seconds = min(self.seconds, seconds)
        return status != 0

    def _resumed(self, folder: Path) -> bool:
        status, _ = self._server().run(folder, self.job)
        same = status == 0 and outcome(folder) == self.expected
        if same:
            shutil.rmtree(folder.parent)
        else:
            print(f"not the same (exit status {status}): {folder}", file=sys.stderr)
        return same

    def _server(self) -> Server:
        return self.servers[int(self.rng.integers(len(self.servers)))]


def measured(samplers: Sequence[str], kills: int, cuts: int, n_trials: int, where: Path) -> dict[str, Any]:
    """Figures of each sampler."""
    servers = [Server(s) for s in HASH_SEEDS]
    found: dict[str, Any] = {}
    try:
        for sampler in samplers:
            (where / sampler).mkdir(parents=True)
            trialled = Trialled(
                servers, where / sampler, {"sampler": sampler, "seed": 3, "n_trials": n_trials}
            )
            began = time.perf_counter()
            same, killed = trialled.kills(kills)
            repaired, n_repaired = trialled.repaired()
            cut_same, n_cuts = trialled.cuts([*trialled.ends(), *trialled.anywhere(cuts)])
            found[sampler] = {
                "killed_and_resumed": kills, "identical": same, "kills": killed,
                "cuts": n_repaired, "cuts_repaired": repaired,
                "cuts_resumed": n_cuts, "cuts_identical": cut_same,
            }  # fmt: skip
            print(f"{sampler}: {found[sampler]} in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    finally:
        for server in servers:
            server.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--samplers", nargs="+", default=SAMPLERS)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--cuts", type=int, default=500)
    parser.add_argument("--trials", type=int, default=44)
    parser.add_argument("--out", type=Path, default=RESULT)
    args = parser.parse_args()
    if args.serve:
        serve()
        return 0
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as where:
        found = measured(args.samplers, args.kills, args.cuts, args.trials, Path(where))
    args.out.write_text(json.dumps({"n_trials": args.trials, "samplers": found}, indent=2) + "\n")
    whole = all(f["identical"] == f["killed_and_resumed"] and f["cuts_identical"] == f["cuts_resumed"]
                and f["cuts_repaired"] == f["cuts"] for f in found.values())  # fmt: skip
    return 0 if whole else 1


if __name__ == "__main__":
    raise SystemExit(main())
