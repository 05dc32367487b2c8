"""EfficientNet-Lite0 with its ImageNet weights: which layers quantisation hurts, and what all do together.

    python benchmarks/compression_pretrained.py [--crops 24]

Needs `codesign[pretrained,data]`. ImageNet is not at hand: crops of the two photographs that scikit-learn
ships, so agreement with the network in floating point and SQNR, no accuracy. The same network with random
weights stands beside it. Writes `benchmarks/results/compression_pretrained{,_layers}.csv`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import torch
from sklearn.datasets import load_sample_images

from codesign.quality.compression.network import Network, Tensors
from codesign.quality.compression.onnx_ptq import Ptq
from codesign.quality.compression.pretrained import MEAN, STD, efficientnet_lite0
from codesign.quality.compression.sensitivity import Sensitivity, sensitivity

RESULTS: Final = Path(__file__).parent / "results"
SIDE: Final = 224
TRIED: Final = ("int8", "w4a16")


def crops(n: int, seed: int) -> Tensors:
    """Square parts of the photographs of 224 to 427 pixels, every other one mirrored, at 224."""
    rng = np.random.default_rng(seed)
    photographs = load_sample_images().images
    found = []
    for i in range(n):
        photograph = photographs[i % 2]
        side = int(rng.integers(SIDE, min(photograph.shape[:2]) + 1))
        y, x = (int(rng.integers(0, size - side + 1)) for size in photograph.shape[:2])
        part = torch.from_numpy(photograph[y : y + side, x : x + side].copy()).permute(2, 0, 1)[None] / 255
        part = torch.nn.functional.interpolate(part, (SIDE, SIDE), mode="bilinear", antialias=True)
        found.append(part.flip(3) if i % 4 > 1 else part)
    mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (MEAN, STD))
    return Tensors((torch.cat(found) - mean) / std, "crops of photographs")


def sqnr(before: np.ndarray, after: np.ndarray) -> float:
    """Of one set of logits against another, in dB."""
    return float(10 * np.log10(np.square(before).sum() / np.square(after - before).sum()))


def of_network(name: str, module: torch.nn.Module, n: int) -> tuple[list[dict[str, object]], pd.DataFrame]:
    """Whole configurations, told and real, and the layers."""
    images, calibration = crops(n, 0), crops(n, 1)
    network = Network.of(module, (3, SIDE, SIDE))
    told: Sensitivity = sensitivity(network, images, calibration, TRIED)
    rows: list[dict[str, object]] = []
    layers = told.to_frame().assign(weights=name)
    weak = [layer for layer, db in zip(told.layers, told.sqnr_db[:, 0], strict=True) if db < 25]
    with tempfile.TemporaryDirectory() as folder:
        ptq = Ptq.of(network, calibration, folder, batch=8)
        base = ptq.logits(ptq.folder / "float.onnx", images)
        whole = {p: dict.fromkeys(told.layers, p) for p in TRIED}
        whole["int8, layers below 25 dB in float"] = {p: "int8" for p in told.layers if p not in weak}
        for label, precisions in whole.items():
            real, sum_of = ptq.logits(ptq.quantise(precisions), images), told.answers(precisions)
            rows.append(
                {
                    "weights": name,
                    "configuration": label,
                    "layers": len(precisions),
                    "predicted_sqnr_db": sqnr(told.logits, sum_of),
                    "real_sqnr_db": sqnr(base, real),
                    "predicted_agreement": (told.logits.argmax(1) == sum_of.argmax(1)).mean(),
                    "real_agreement": (base.argmax(1) == real.argmax(1)).mean(),
                }
            )
            print(rows[-1], flush=True)
    return rows, layers


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--crops", type=int, default=24)
    asked = parser.parse_args()
    import timm  # after search_spaces, which repairs torchvision

    torch.set_num_threads(1)
    torch.manual_seed(0)
    networks = {"ImageNet": efficientnet_lite0(), "random": timm.create_model("tf_efficientnet_lite0").eval()}
    found = [of_network(name, module, asked.crops) for name, module in networks.items()]
    rows = pd.DataFrame([r for rows, _ in found for r in rows])
    rows.to_csv(RESULTS / "compression_pretrained.csv", index=False, float_format="%.4g")
    layers = pd.concat([frame for _, frame in found])
    layers.to_csv(RESULTS / "compression_pretrained_layers.csv", index=False, float_format="%.4g")
    print(rows.to_string())


if __name__ == "__main__":
    main()
