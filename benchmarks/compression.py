"""What quantisation costs, told from one layer at a time, against ONNX Runtime on the test images.

python benchmarks/compression.py [--configurations 40] [--folder DIR] [--networks plain residual mobile]

Trains three small networks on road signs (once; kept in the folder), takes the sensitivity of each layer on
the validation images, draws mixed-precision configurations, predicts the drop of each, and measures it in
ONNX Runtime on the 10,000 test images, which nothing before has seen. Writes
`benchmarks/results/compression_{configurations,layers,summary}.csv`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import compression_networks as small
import numpy as np
import pandas as pd
import torch
from scipy.stats import kendalltau, spearmanr

from codesign.quality.compression.network import Network, Pictures
from codesign.quality.compression.onnx_ptq import Ptq
from codesign.quality.compression.paired import paired
from codesign.quality.compression.sensitivity import CALIBRATION, Sensitivity, sensitivity

if TYPE_CHECKING:
    from codesign.data.source import DataSource

RESULTS: Final = Path(__file__).parent / "results"
TRIED: Final = ("int8", "w8a16", "w4a16")


def drawn(layers: tuple[str, ...], n: int, seed: int) -> list[dict[str, str]]:
    """Configurations: all layers in one format, then each layer's format by chance.

    The chance of four-bit weights differs from one to the next, so that small and large drops are there.
    """
    rng = np.random.default_rng(seed)
    found = [dict.fromkeys(layers, p) for p in TRIED]
    while len(found) < n:
        narrow = rng.uniform(0.0, 0.9)
        chances = [narrow, (1 - narrow) * 0.6, (1 - narrow) * 0.15, (1 - narrow) * 0.25]
        picked = rng.choice(["w4a16", "int8", "w8a16", "fp32"], len(layers), p=chances)
        found.append(dict(zip(layers, map(str, picked), strict=True)))
    return found


def by_noise_power(told: Sensitivity, precisions: dict[str, str], seed: int = 0) -> float:
    """Points lost where each layer's noise is Gaussian of the power it has: what superposition is held to."""
    power = sum(
        np.square(told.noise[told.layers.index(layer), told.precisions.index(p)], dtype=np.float64).mean()
        for layer, p in precisions.items()
        if p in told.precisions
    )
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, np.sqrt(power), told.logits.shape).astype(np.float32)
    assert told.labels is not None
    return paired(told.logits, told.logits + noise, told.labels).points


def of_network(
    name: str, data: DataSource, folder: Path, n: int
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, object]]:
    """Configurations, layers and summary of one network."""
    module, result = small.trained(name, data, folder)
    network = Network.of(module, data.input_shape)
    val, test = (Pictures.of(data, s, result) for s in ("val", "test"))
    calibration = Pictures.of(data, "train", result, CALIBRATION)
    began = time.perf_counter()
    told = sensitivity(network, val, calibration, TRIED)
    sensitivity_s = time.perf_counter() - began
    ptq = Ptq.of(network, calibration, folder / f"{name}_onnx")
    base = ptq.logits(ptq.folder / "float.onnx", test)
    rows = []
    for i, precisions in enumerate(drawn(network.layers, n, seed=1)):
        began = time.perf_counter()
        predicted = told.predict(precisions)
        predict_s = time.perf_counter() - began
        real = paired(base, ptq.logits(ptq.quantise(precisions), test), test.labels)
        low, high = real.interval
        rows.append(
            {
                "network": name,
                "configuration": i,
                "precisions": " ".join(precisions.values()),
                "predicted": predicted.value,
                "predicted_low": predicted.low,
                "predicted_high": predicted.high,
                "counted": paired(told.logits, told.answers(precisions), val.labels).points,
                "by_noise_power": by_noise_power(told, precisions),
                "real": real.points,
                "real_low": low,
                "real_high": high,
                "real_agreement": real.agreement,
                "predict_s": predict_s,
            }
        )
        pd.DataFrame(rows).to_csv(folder / f"{name}_configurations.csv", index=False)
        print(f"{name} {i}: predicted {predicted.value:.2f}, real {real.points:.2f}", flush=True)
    frame = pd.DataFrame(rows)
    layers = told.to_frame().assign(network=name)
    float_error = 100.0 * float((base.argmax(axis=1) != test.labels).mean())
    facts = {"network": name, "float_error_pct": float_error, "layers": len(network.layers)}
    return frame, layers, {**facts, "sensitivity_s": sensitivity_s, **scores(frame)}


def scores(frame: pd.DataFrame) -> dict[str, object]:
    """How near the predictions are, and of the two simpler rules."""
    real = frame["real"]
    found: dict[str, object] = {"configurations": len(frame), "largest_real": real.max()}
    for rule in ("predicted", "counted", "by_noise_power"):
        error = frame[rule] - real
        found |= {
            f"mae_{rule}": error.abs().mean(),
            f"bias_{rule}": error.mean(),
            f"spearman_{rule}": spearmanr(frame[rule], real).statistic,
            f"kendall_{rule}": kendalltau(frame[rule], real).statistic,
        }
    held = (frame["predicted_low"] <= real) & (real <= frame["predicted_high"])
    return {**found, "held_by_interval": held.mean()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configurations", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=Path("runs/compression"))
    parser.add_argument("--networks", nargs="+", default=list(small.NETWORKS))
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    data = small.data().in_memory()
    found = [of_network(name, data, asked.folder, asked.configurations) for name in asked.networks]
    frames = {"configurations": [f for f, _, _ in found], "layers": [layers for _, layers, _ in found]}
    whole = pd.concat(frames["configurations"])
    summary = pd.DataFrame([*(s for _, _, s in found), {"network": "all", **scores(whole)}])
    for name, parts in frames.items():
        pd.concat(parts).to_csv(asked.out / f"compression_{name}.csv", index=False, float_format="%.5g")
    summary.to_csv(asked.out / "compression_summary.csv", index=False, float_format="%.4g")
    print(summary.T.to_string())


if __name__ == "__main__":
    main()
