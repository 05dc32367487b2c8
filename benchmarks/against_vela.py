"""Int8 networks through Arm's Vela and through `estimate(model="tiled")`: cycles and arena side by side.

    python benchmarks/against_vela.py --write     # run Vela, keep its answers beside the package
    python benchmarks/against_vela.py             # scores from what was kept, by configuration

Needs ethos-u-vela 5.2.0 (PyPI, Apache-2.0) for `--write` alone.
"""

from __future__ import annotations

import argparse
import datetime
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from int8_networks import DEVELOPED_ON, FRESH, HELD_OUT, Lines

DATA = Path(__file__).parents[1] / "hw_models" / "validation" / "truth" / "data"
GROUPS: dict[str, dict[str, Lines]] = {"developed": DEVELOPED_ON, "held_out": HELD_OUT, "fresh": FRESH}
CONFIGURATIONS = [
    ("ethos-u55-32", "Ethos_U55_Deep_Embedded", "Shared_Sram"),
    ("ethos-u55-32", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    ("ethos-u55-64", "Ethos_U55_Deep_Embedded", "Shared_Sram"),
    ("ethos-u55-128", "Ethos_U55_Deep_Embedded", "Shared_Sram"),
    ("ethos-u55-128", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    ("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Shared_Sram"),
    ("ethos-u55-256", "Ethos_U55_High_End_Embedded", "Sram_Only"),
    ("ethos-u65-256", "Ethos_U65_Embedded", "Shared_Sram"),
    ("ethos-u65-256", "Ethos_U65_Mid_End", "Dedicated_Sram_384KB"),
    ("ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram_384KB"),
    ("ethos-u65-512", "Ethos_U65_High_End", "Dedicated_Sram"),
    ("ethos-u65-512", "Ethos_U65_Client_Server", "Dedicated_Sram_384KB"),
    ("ethos-u85-128", "Ethos_U85_SYS_Flash_Low", "Shared_Sram"),
    ("ethos-u85-256", "Ethos_U85_SYS_Flash_High", "Shared_Sram"),
    ("ethos-u85-256", "Ethos_U85_SYS_DRAM_Low", "Dedicated_Sram_384KB"),
    ("ethos-u85-512", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
    ("ethos-u85-1024", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram_384KB"),
    ("ethos-u85-1024", "Ethos_U85_SYS_DRAM_Mid", "Dedicated_Sram"),
    ("ethos-u85-2048", "Ethos_U85_SYS_DRAM_High", "Dedicated_Sram_384KB"),
    ("ethos-u85-2048", "Ethos_U85_SYS_DRAM_High", "Sram_Only"),
]


def compiled(model: bytes, accelerator: str, system: str, mode: str) -> Any:
    """Vela's report on a network."""
    from ethosu import regor
    from ethosu.vela import architecture_features
    from ethosu.vela.nn_graph import TensorAllocator
    from ethosu.vela.vela import get_compiler_config

    ini = Path(architecture_features.CONFIG_FILES_PATH) / "Arm" / "vela.ini"
    chip = architecture_features.ArchitectureFeatures([str(ini)], accelerator, system, mode, 3, False, None)
    text = f"[architecture]\nmacs={chip.num_macs_per_cycle}\ncores={chip.ncores}\n[vela]\n"
    text += f"system_config_name={system}\nmemory_mode_name={mode}\n{ini.read_text()}"
    flags = [False] * 4
    options = get_compiler_config(
        True,
        *flags[:3],
        "Performance",
        chip.arena_cache_size,
        *[False] * 6,
        True,
        "tflite",
        *[False] * 5,
        "COP1",
        False,
        16,
        TensorAllocator.HillClimb,
        10.0,
        None,
    )
    name = "".join(part.capitalize() for part in accelerator.split("-")[:-1])
    return regor.compile(name, model, "TFLITE", text, options=options, verbose=False).perf_report


def row(report: Any) -> dict[str, int]:
    """What is kept of a report."""
    memory = {str(name).lower(): m for name, m in report.memories.items()}
    outer = next((m for name, m in memory.items() if name in ("dram", "offchipflash", "onchipflash")), None)
    return {
        "macs": report.macCount,
        "npu_cycles": report.npuCycles,
        "total_cycles": report.totalCycles,
        "sram_cycles": memory["sram"].totalAccessCycles,
        "outer_cycles": 0 if outer is None else outer.totalAccessCycles,
        "sram_bytes": memory["sram"].peakUsage,
        "weight_bytes": report.originalWeights,
        "encoded_bytes": report.encodedWeights,
        "cpu_ops": report.cpuOps,
    }


def run_all() -> pd.DataFrame:
    """Every network on every configuration; in one process, a few minutes."""
    from tflite_writer import tflite

    rows = []
    for split, networks in GROUPS.items():
        for name, lines in networks.items():
            model = tflite(lines)
            for accelerator, system, mode in CONFIGURATIONS:
                try:
                    report = compiled(model, accelerator, system, mode)
                except RuntimeError as error:
                    print(f"{name} on {accelerator} {system} {mode}: {error}", file=sys.stderr)
                    continue
                where = {"accelerator": accelerator, "system_config": system, "memory_mode": mode}
                rows.append({"network": name, "split": split, **where, **row(report)})
    return pd.DataFrame(rows)


def write() -> None:
    """Run Vela and keep its answers and the networks."""
    frame = run_all()
    today = datetime.datetime.now(tz=datetime.UTC).date()
    note = (
        f"# what ethos-u-vela {version('ethos-u-vela')} (PyPI, Apache-2.0) estimates, {today}; "
        "its C++ compiler, optimise=Performance, random normal weights (seed 0);\n"
        "# networks: ethos_u_networks.txt beside this file; cycles at the system's clock, bytes; "
        "made by benchmarks/against_vela.py --write\n"
    )
    (DATA / "ethos_u_vela.csv").write_text(note + frame.to_csv(index=False), encoding="utf-8")
    networks = {name: lines for group in GROUPS.values() for name, lines in group.items()}
    text = "\n\n".join("\n".join([f"network {name}", *lines]) for name, lines in networks.items())
    (DATA / "ethos_u_networks.txt").write_text(text + "\n", encoding="utf-8")


def scores(frame: pd.DataFrame) -> pd.DataFrame:
    """MAPE, worst error and tau by configuration and split."""
    from scipy.stats import kendalltau

    rows = []
    for keys, part in frame.groupby(["quantity", "split", "device", "mode"]):
        error = part.predicted / part.measured - 1
        worst = error.abs().idxmax()
        tau = kendalltau(part.measured, part.predicted)[0]
        rows.append([*keys, len(part), error.abs().mean(), tau, part.network[worst], error[worst]])
    columns = ["quantity", "split", "device", "mode", "n", "mape", "tau", "worst", "error"]
    return pd.DataFrame(rows, columns=columns).round(3)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="run Vela first")
    if parser.parse_args().write:
        os.nice(10)
        write()
    from hw_models.validation.truth.ethos_u_vela import SETS

    frame = SETS[0].predict(DATA / "ethos_u_vela.csv").frame
    pd.set_option("display.width", 200, "display.max_rows", 200)
    print(scores(frame).to_string(index=False))
    frame["ape"] = (frame.predicted / frame.measured - 1).abs()
    print(frame.groupby(["quantity", "split"]).ape.describe(percentiles=[0.5, 0.9]).round(3).to_string())


if __name__ == "__main__":
    main()
