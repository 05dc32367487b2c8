"""A table of this machine: timm networks, or single operators, timed and kept as records.

    python benchmarks/measure_networks.py --out epyc.csv.gz --key epyc --threads 1
    python benchmarks/measure_networks.py --out gpu.csv.gz --key h200 --device cuda --runtime torch
    python benchmarks/measure_networks.py --out ops.csv.gz --key h200 --device cuda --sweep --precision fp16

Networks (`measure_networks.txt`) are taken side by side in groups; every group holds the same anchor, whose
scatter from group to group is what drift and other work add. What the file has is not measured again: a run
that was ended goes on. The machine's facts are written beside the table.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from typing_extensions import override

from codesign.measure import measure_many
from hw_models.errors import CodesignError
from hw_models.measured.records import Records, concat
from hw_models.measured.timers.measurement import measure_runners
from hw_models.measured.timers.protocol import TimingPlan
from hw_models.measured.timers.torch import TorchRunner

if TYPE_CHECKING:
    from hw_models.measured.timers.measurement import Measurement

ANCHOR = "timm:test_resnet"
GROUP = 6


class Product(nn.Module):
    """x (batch, m, c) times y (batch, c, k)."""

    def __init__(self, batch: int, k: int, c: int) -> None:
        super().__init__()
        self.register_buffer("y", torch.randn(batch, c, k))

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The product (batch, m, k)."""
        return x @ self.y


class Attention(nn.Module):
    """Each token with all others; the three operands are one tensor (batch, heads, tokens, d)."""

    @override
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return functional.scaled_dot_product_attention(x, x, x)


class Case(NamedTuple):
    """One operator of the sweep, with its loop dimensions and its input."""

    operator: str
    dims: dict[str, int]
    module: nn.Module
    shape: tuple[int, ...]

    @property
    def text(self) -> str:
        """Loop dimensions as records have them."""
        return " ".join(f"{name}={size}" for name, size in self.dims.items())


def cases() -> Iterator[Case]:
    """The sweep: aligned and unaligned, tiny and large."""
    for m, k, c in product((1, 16, 128, 1024, 4096), (64, 100, 512, 1000, 4096), (64, 512, 4096)):
        yield Case("gemm", {"batch": 1, "m": m, "k": k, "c": c}, Product(1, k, c), (1, m, c))
    for batch, side in product((8, 64), (64, 128, 512)):
        dims = {"batch": batch, "m": side, "k": side, "c": side}
        yield Case("gemm", dims, Product(batch, side, side), (batch, side, side))
    for n, c, k, side, taps, stride in product(
        (1, 16), (16, 64, 256), (16, 64, 256), (14, 56), (1, 3), (1, 2)
    ):
        yield _conv(n, 1, k, c, side, taps, stride)
    for n, channels, side, taps in product((1, 16), (32, 144, 480), (14, 28, 112), (3, 5, 7)):
        yield _conv(n, channels, 1, 1, side, taps, 1)
    for n, heads, tokens, d in product((1, 8), (3, 12), (49, 196, 1024), (32, 64)):
        dims = {"batch": n, "heads": heads, "lq": tokens, "lk": tokens, "d": d, "dv": d}
        yield Case("attention", dims, Attention(), (n, heads, tokens, d))


def _conv(n: int, groups: int, k: int, c: int, side: int, taps: int, stride: int) -> Case:
    layer = nn.Conv2d(groups * c, groups * k, taps, stride, taps // 2, groups=groups, bias=False)
    out = (side - 1) // stride + 1
    dims = {"n": n, "g": groups, "k": k, "c": c, "oy": out, "ox": out, "fy": taps, "fx": taps}
    dims |= {"stride_y": stride, "stride_x": stride, "pad_y": taps // 2, "pad_x": taps // 2}
    return Case("conv", {**dims, "in_y": side, "in_x": side}, layer, (n, groups * c, side, side))


def networks(given: argparse.Namespace, plan: TimingPlan, table: Records | None) -> None:
    """Group after group of networks that the table lacks."""
    done = set() if table is None else set(table.frame["network"].dropna())
    listed = Path(__file__).with_suffix(".txt").read_text().split()
    missing = [f"timm:{n}" for n in listed if n.partition("@")[0] not in done][: given.limit]
    options = {n: getattr(given, n) for n in ("runtime", "device", "precision", "threads", "batch")}
    for at in range(0, len(missing), GROUP):
        group = missing[at : at + GROUP]
        for part in (group, *([n] for n in group)):
            try:
                taken = measure_many([ANCHOR, *part], **options, plan=plan)
            except CodesignError as error:  # one network of the group: take each alone
                print(f"{', '.join(part)}: {error}", flush=True)
                continue
            _keep(given, taken, concat([m.to_records(device=given.key) for m in taken]))
            if part is group:
                break


def sweep(given: argparse.Namespace, plan: TimingPlan, table: Records | None) -> None:
    """Operator after operator that the table lacks, under torch."""
    done = set() if table is None else set(table.frame["shape"].dropna())
    options = {"device": given.device, "precision": given.precision or "fp32", "threads": given.threads}
    for case in [c for c in cases() if c.text not in done][: given.limit]:
        inputs = [torch.randn(case.shape)]
        taken = measure_runners(
            [lambda c=case, x=inputs: TorchRunner(c.module, x, name=c.text, **options)], plan
        )
        frame = taken[0].to_records(device=given.key).frame
        alone = frame[frame["operator"].isna()].assign(network=None, operator=case.operator, shape=case.text)
        _keep(given, taken, Records.from_frame(alone))


def _keep(given: argparse.Namespace, taken: tuple[Measurement, ...], records: Records) -> None:
    """Add to the table, and tell."""
    merged = concat([Records.read(given.out), records]) if given.out.exists() else records
    merged.to_csv(given.out)
    facts = given.out.with_name(given.out.name.split(".", 1)[0] + ".machine.json")
    facts.write_text(json.dumps(taken[0].machine.to_row(), indent=2) + "\n")
    for m in taken:
        t = m.timing
        print(f"{m.network:40s} {t.median_s * 1e3:9.3f} ms  {t.spread:6.1%}  {t.noise}", flush=True)


def main() -> None:
    """Measure what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--key", required=True, help="the device's key in devices.csv")
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--budget", type=float, default=5.0, help="seconds of a network")
    parser.add_argument("--sweep", action="store_true", help="operators instead of networks")
    parser.add_argument("--limit", type=int, help="at most so many")
    given = parser.parse_args()
    cpu = given.device == "cpu"
    plan = TimingPlan(
        budget_s=given.budget, undisturbed=cpu, allow_noise=True, operator_steps=0 if given.sweep else 20
    )
    table = Records.read(given.out) if given.out.exists() else None
    (sweep if given.sweep else networks)(given, plan, table)


if __name__ == "__main__":
    main()
