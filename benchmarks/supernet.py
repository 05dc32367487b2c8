"""Does a supernet rank networks as training each of them alone does? Trained on drawn road signs, on a CPU.

    python benchmarks/supernet.py [--folder DIR] [--workers 2] [--small]

A supernet of `elastic_small` (depth, width, kernel, expansion and resolution elastic) is trained by the
sandwich rule, and 30 random networks of the space are trained alone, in as many processes as there are
workers, one thread each. Nothing is trained twice: a run that was cut off goes on from its folder. Writes
`benchmarks/results/supernet.json`; `--small` trains 6 networks for few epochs and writes nothing there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import nn

from codesign.data.road_signs.source import road_signs
from codesign.quality.supernet.net import calibrate
from codesign.quality.supernet.quality import SupernetQuality
from codesign.quality.training.plan import TrainingPlan
from codesign.quality.training.trained import TrainedQuality
from search_spaces.narrowed import Narrowed
from search_spaces.vision.elastic_small import ElasticSmall

if TYPE_CHECKING:
    from codesign.quality.training.result import Score
    from search_spaces.candidate import Candidate

RESULT: Final = Path(__file__).parent / "results" / "supernet.json"
CLASSES: Final = 12
KEPT: Final = {
    "resolution": (16, 24, 32),
    **{f"depth_{s}": (1, 2) for s in (1, 2, 3)},
    **{f"kernel_{s}": (3, 5) for s in (1, 2, 3)},
    **{f"expand_{s}": (2, 3, 4) for s in (1, 2, 3)},
}


@dataclass(frozen=True)
class Setting:
    """How much is trained.

    Attributes:
        images: to learn from, to decide on, to test on.
        epochs: of the supernet, and of each network alone.
        networks: trained alone.
    """

    images: tuple[int, int, int]
    epochs: tuple[int, int]
    networks: int


FULL: Final = Setting((4000, 2000, 4000), (60, 24), 30)
SMALL: Final = Setting((1500, 1000, 1000), (10, 6), 6)


def rates(setting: Setting, folder: Path) -> tuple[SupernetQuality, TrainedQuality]:
    """The two that are compared: the same space, data and augmentation, each network at its own side."""
    space = Narrowed(ElasticSmall(n_classes=CLASSES), KEPT)
    train, val, test = setting.images
    data = road_signs(CLASSES, 32, n_train=train, n_val=val, n_test=test)
    shared, alone = (
        TrainingPlan(epochs=epochs, batch=64, learning_rate=rate)
        for epochs, rate in zip(setting.epochs, (0.05, 0.05), strict=True)
    )
    return (
        SupernetQuality(
            space, data, shared, folder / "supernet", own_resolution=True, allow_unranked=True, progress=_said
        ),
        TrainedQuality(space, data, alone, folder / "alone", own_resolution=True),
    )


def _said(epoch: Any) -> None:
    print(
        f"supernet, epoch {epoch.epoch}: largest {epoch.error_pct:.1f} % val, {epoch.seconds:.0f} s",
        flush=True,
    )


def task(setting: Setting, folder: Path, network: Candidate | None) -> str:
    """Train one network alone, or the supernet."""
    torch.set_num_threads(1)
    shared, alone = rates(setting, folder)
    if network is None:
        _, result = shared.trained
        return f"supernet: {result.seconds:.0f} s"
    result = alone.result(network)
    return f"{alone.space.label(network)}: {result.error}, {result.seconds:.0f} s"


def train_all(setting: Setting, folder: Path, networks: Sequence[Candidate], workers: int) -> None:
    """Everything that is to be trained, the supernet first, as it takes longest."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(task, setting, folder, network) for network in (None, *networks)]
        for done in as_completed(waiting):
            print(done.result(), flush=True)


def difference(quality: SupernetQuality, networks: Sequence[Candidate]) -> float:
    """Largest difference of a logit between a network that was taken out and the supernet set to it."""
    net, _ = quality.trained
    torch.manual_seed(0)
    x, worst = torch.randn(64, 3, 32, 32), 0.0
    with torch.no_grad():
        for network in networks:
            alone: nn.Module = calibrate(net.extract(network), [net.scaled(x, network)])
            told = net(x, network, dict(alone.named_buffers()))
            worst = max(worst, float((alone(net.scaled(x, network)) - told).abs().max()))
    return worst


def told(setting: Setting, folder: Path, networks: Sequence[Candidate]) -> dict[str, Any]:
    """What came out."""
    shared, alone = rates(setting, folder)
    began = time.monotonic()
    for network in networks:
        shared.score(network)
    a_rating = (time.monotonic() - began) / len(networks)
    found = shared.compare(alone, setting.networks)
    results = [alone.result(c) for c in networks]
    validation = replace(found, shared=tuple(_wrong_pct(r.val) for r in results))
    net, trained = shared.trained
    low, high = found.interval
    return {
        "what": "Kendall's tau of the error with shared weights against that after training alone",
        "data": f"{shared.data!r}",
        "epochs": {"supernet": setting.epochs[0], "alone": setting.epochs[1]},
        "networks": found.n,
        "size of the space": shared.space.size,
        "tau": found.tau,
        "tau, 90 %": [low, high],
        "tau by parameter count": found.tau_of_params,
        "tau of two sets of images, the same trainings": validation.tau,
        "ranks": found.ranks,
        "on the front": shared.rate(net.largest, "fp32").notes,
        "scatter, points": found.scatter,
        "largest difference of a logit, taken out against in place": difference(shared, networks),
        "seconds": {
            "supernet": trained.seconds,
            "alone, all": sum(r.seconds for r in results),
            "one rating": a_rating,
        },
        "error with shared weights, %": {
            "smallest": _pct(shared, net.smallest),
            "largest": _pct(shared, net.largest),
        },
        "points": [
            {
                "network": shared.space.label(c),
                "macs_m": shared.space.workload(c).macs / 1e6,
                "params": p,
                "shared_error_pct": s,
                "alone_error_pct": a,
            }
            for c, p, s, a in zip(networks, found.params, found.shared, found.alone, strict=True)
        ],
    }


def _pct(quality: SupernetQuality, network: Candidate) -> float:
    return _wrong_pct(quality.score(network))


def _wrong_pct(score: Score) -> float:
    return 100.0 * score.total.wrong / score.total.n


def main() -> None:
    """Train what is not trained yet, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, default=Path("runs/supernet"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    setting = SMALL if given.small else FULL
    torch.set_num_threads(1)
    began = time.monotonic()
    networks = rates(setting, given.folder)[0].drawn(setting.networks)
    train_all(setting, given.folder, networks, given.workers)
    found = told(setting, given.folder, networks)
    found["seconds"]["this run"] = time.monotonic() - began
    text = json.dumps(found, indent=1, ensure_ascii=False)
    print(text)
    if not given.small:
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
