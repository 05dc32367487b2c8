"""Fit the class constants of NPUs on published latencies of networks that timm or torchvision also has.

    python benchmarks/fit_npu_constants.py --data ../shared/reference/measured

Rows: Qualcomm AI Hub w8a8 through qnn_dlc with every layer on the NPU, and Vitis AI frames per second of
all cores. Networks are matched by hand and by their names. One device is left out at a time: its errors
give the interval, and most of them are the device's own scale. Prints what belongs into
`hw_models/cost/class_priors.yaml`; writes the scores to `benchmarks/results/fit_npu_constants.json`.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from scipy.optimize import least_squares
from scipy.stats import kendalltau

from hw_models.cost.adjust import Adjustment, ClassConstants, class_priors
from hw_models.cost.chips import Chips
from hw_models.cost.combine import kernel_seconds
from hw_models.cost.roofline import Roofline
from hw_models.lowering import lower
from hw_models.spec.load import load_chip
from hw_models.workload.from_torch import trace
from search_spaces.torchvision_hook import install
from search_spaces.vision.timm_models import timm_workload

if TYPE_CHECKING:
    from hw_models.cost.arrays import FloatArray, Kernels
    from hw_models.workload.graph import Workload

RESULT: Final = Path(__file__).parent / "results" / "fit_npu_constants.json"
PULL: Final = 0.1
OVERLAP: Final = 4.0
NAMES: Final = ("conv", "gemm", "depthwise", "bandwidth", "vector_per_mac", "issue")
LOWER: Final = np.log([0.02, 0.02, 0.005, 0.05, 1e-3, 1e-7])
UPPER: Final = np.log([0.97, 0.97, 0.97, 0.90, 1.0, 1e-4])

QUALCOMM: Final = {
    "s24": "galaxy_s24",
    "s25": "galaxy_s25",
    "qcs8550": "qcs8550",
    "x_elite": "snapdragon_x_elite",
    "sa8295p": "sa8295p",
}
VITIS: Final = {"ZCU102 (0432055-05)": "zcu102", "ZCU104": "zcu104"}
NETWORKS: Final = {
    "qualcomm": {
        "densenet121": "densenet121",
        "googlenet": "torchvision:googlenet",
        "inception_v3": "inception_v3@299",
        "mobilenet_v2": "mobilenetv2_100",
        "regnet_y_800mf": "regnety_008",
        "resnet18": "resnet18",
        "resnet50": "resnet50",
        "resnet101": "resnet101",
        "resnext50": "resnext50_32x4d",
        "resnext101": "resnext101_32x8d",
        "shufflenet_v2": "torchvision:shufflenet_v2_x1_0",
        "squeezenet1_1": "torchvision:squeezenet1_1",
        "vit": "vit_base_patch16_224",
        "wideresnet50": "wide_resnet50_2",
    },
    "vitis": {
        "Inception_v3_pt": "inception_v3@299",
        "Inception_v4_tf": "inception_v4@299",
        "SqueezeNet_pt": "torchvision:squeezenet1_1",
        "efficientnet-b0_tf2": "efficientnet_b0",
        "mobilenet_1_0_224_tf2": "mobilenetv1_100",
        "mobilenet_v2_1_0_224_tf": "mobilenetv2_100",
        "mobilenet_v3_small_1_0_tf2": "mobilenetv3_small_100",
        "resnet50_pt": "resnet50",
        "resnet_v1_101_tf": "resnet101",
        "resnet_v1_152_tf": "resnet152",
        "vgg_16_tf": "vgg16",
        "vgg_19_tf": "vgg19",
    },
}


def measured(data: Path) -> pd.DataFrame:
    """Columns chip, network, seconds: one inference, or the inverse of the frame rate of all cores."""
    names = pd.read_csv(data / "device_names.csv").query("dataset == 'qualcomm_aihub_latency'")
    key = dict(zip(names["name_in_file"], names["key"], strict=True))
    q = pd.read_csv(data / "qualcomm_aihub_latency.csv.gz")
    q = q[(q["precision"] == "w8a8") & (q["runtime"] == "qnn_dlc") & (q["layers_npu"] == q["layers_total"])]
    qualcomm = pd.DataFrame(
        {
            "chip": q["device"].map(key).map(QUALCOMM),
            "network": q["model"].map(NETWORKS["qualcomm"]),
            "seconds": q["latency_ms"] * 1e-3,
        }
    )
    v = pd.read_csv(data / "vitis_ai_dpu_fps.csv.gz")
    vitis = pd.DataFrame(
        {
            "chip": v["board"].map(VITIS),
            "network": v["model"].map(NETWORKS["vitis"]),
            "seconds": 1.0 / v["fps_multi_thread"],
        }
    )
    rows = pd.concat([qualcomm, vitis]).dropna()
    return rows.drop_duplicates(["chip", "network"], ignore_index=True)


def workload(name: str) -> Workload:
    """A network of timm ("resnet50", "inception_v3@299") or torchvision ("torchvision:googlenet")."""
    if not name.startswith("torchvision:"):
        arch, _, size = name.partition("@")
        return timm_workload(arch, int(size or 224))
    import torch

    install()
    from torchvision import models

    arch = name.removeprefix("torchvision:")
    options = {"init_weights": False, "aux_logits": False} if arch == "googlenet" else {}
    with torch.device("meta"):
        module = models.get_model(arch, weights=None, **options)
    return trace(module.eval(), input_shape=(1, 3, 224, 224), name=name)


@dataclass(frozen=True)
class Study:
    """Rows with what is needed to predict them."""

    rows: pd.DataFrame
    kernels: Kernels
    chips: Chips
    start: ClassConstants
    cell: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Study:
        """Trace, lower, load."""
        networks, chips = list(rows["network"].unique()), list(rows["chip"].unique())
        kernels = lower([workload(n) for n in networks], lowering="ideal", precision="int8", batch=1)
        cell = rows["network"].map(networks.index).to_numpy(), rows["chip"].map(chips.index).to_numpy()
        start = class_priors().constants("npu", "ideal")
        return cls(rows, kernels, Chips.of([load_chip(c) for c in chips]), start, cell)

    def constants(self, theta: FloatArray) -> ClassConstants:
        """Constants from their logarithms."""
        conv, gemm, depthwise, bandwidth, vector_per_mac, issue = np.exp(theta).tolist()
        return replace(
            self.start,
            compute={"conv": conv, "gemm": gemm, "depthwise": depthwise},
            bandwidth={"contraction": bandwidth, "other": bandwidth},
            vector_per_mac=vector_per_mac,
            issue=issue,
        )

    def seconds(self, theta: FloatArray) -> FloatArray:
        """Predicted seconds of every row."""
        constants, n = self.constants(theta), len(self.chips)
        chips = self.chips.with_priors(
            np.full(n, constants.vector_per_mac), np.full(n, constants.sram_capacity)
        )
        bare = Roofline().terms(self.kernels, chips).seconds
        stretched = Adjustment.of(chips, (constants,) * n).apply(bare, self.kernels)
        total: FloatArray = (self.kernels.counts @ kernel_seconds(stretched, OVERLAP))[self.cell]
        return total

    def fit(self, mask: np.ndarray) -> FloatArray:
        """Logarithms of the constants that fit the masked rows, every device with equal weight."""
        c = self.start
        origin = np.log([*c.compute.values(), c.bandwidth["contraction"], c.vector_per_mac, c.issue])
        weight = 1.0 / np.sqrt(self.rows.groupby("chip")["seconds"].transform("size").to_numpy())
        truth = self.rows["seconds"].to_numpy()

        def residuals(theta: FloatArray) -> FloatArray:
            error = (np.log(self.seconds(theta) / truth) * weight)[mask]
            return np.concatenate([error, PULL * (theta - origin)])

        start = np.clip(origin, LOWER + 1e-6, UPPER - 1e-6)
        found = least_squares(
            residuals, start, bounds=(LOWER, UPPER), loss="soft_l1", f_scale=0.1, x_scale=0.3
        )
        theta: FloatArray = found.x
        return theta


def main() -> None:
    """Fit on all, score with each device left out, print, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory of the measured tables")
    study = Study.of(measured(parser.parse_args().data))
    ratio, scores = np.zeros(len(study.rows)), {}
    for chip, rows in study.rows.groupby("chip"):
        mask = (study.rows["chip"] != chip).to_numpy()
        predicted = study.seconds(study.fit(mask))[~mask]
        ratio[~mask] = rows["seconds"].to_numpy() / predicted
        tau = kendalltau(predicted, rows["seconds"]).statistic
        scores[str(chip)] = {
            "n": len(rows),
            "median_ratio": round(float(np.median(ratio[~mask])), 3),
            "kendall_tau": round(tau, 3),
        }
    best = np.exp(study.fit(np.ones(len(study.rows), bool)))
    constants = {name: float(f"{value:.3g}") for name, value in zip(NAMES, best, strict=True)}
    low, middle, high = np.quantile(ratio, [0.05, 0.5, 0.95]).round(3).tolist()
    found = {
        "constants": constants,
        "measured_over_predicted": {"p05": low, "p50": middle, "p95": high},
        "devices_left_out": scores,
    }
    print(json.dumps(found, indent=2))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
