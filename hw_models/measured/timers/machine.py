"""What is known of the machine that a measurement was taken on; what cannot be read is None."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_CPUINFO: Final = Path("/proc/cpuinfo")
_MEMINFO: Final = Path("/proc/meminfo")
_SYSTEM: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq")


@dataclass(frozen=True, slots=True)
class Machine:
    """The machine, and how busy it was.

    Attributes:
        cores: physical cores, where the system tells them.
        usable_cpus: logical CPUs that this process may use.
        governor: how the clock of CPU 0 is chosen.
        max_clock_hz: highest clock of CPU 0.
        memory_bytes: main memory.
        load_1min: processes that ran or wanted to, mean over the minute before the measurement.
        gpu: name of the first GPU that torch sees, None where nobody asked or there is none.
    """

    cpu: str | None
    architecture: str
    cores: int | None
    logical_cpus: int | None
    usable_cpus: int | None
    governor: str | None
    max_clock_hz: float | None
    memory_bytes: float | None
    system: str
    python: str
    load_1min: float | None
    hypervisor: bool | None
    gpu: str | None = None

    @property
    def name(self) -> str:
        """The name of the device for records: the GPU where one was measured, else the CPU."""
        return self.gpu or self.cpu or self.architecture

    def to_row(self) -> dict[str, object]:
        """One cell a fact."""
        return asdict(self)


def this_machine(gpu: str | None = None) -> Machine:
    """Look at the machine now."""
    info = _text(_CPUINFO)
    khz = _text(_SYSTEM / "cpuinfo_max_freq").strip()
    memory = re.search(r"^MemTotal:\s+(\d+) kB", _text(_MEMINFO), re.MULTILINE)
    return Machine(
        cpu=_field(info, "model name") or platform.processor() or None,
        architecture=platform.machine(),
        cores=_physical_cores(info),
        logical_cpus=os.cpu_count(),
        usable_cpus=usable_cpus(),
        governor=_text(_SYSTEM / "scaling_governor").strip() or None,
        max_clock_hz=float(khz) * 1e3 if khz.isdigit() else None,
        memory_bytes=float(memory[1]) * 1024 if memory else None,
        system=platform.platform(),
        python=platform.python_version(),
        load_1min=os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        hypervisor=re.search(r"^flags\s*:.*\bhypervisor\b", info, re.MULTILINE) is not None if info else None,
        gpu=gpu,
    )


def usable_cpus() -> int:
    """Logical CPUs that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _physical_cores(info: str) -> int | None:
    """Distinct pairs of socket and core."""
    sockets = re.findall(r"^physical id\s*:\s*(\d+)", info, re.MULTILINE)
    cores = re.findall(r"^core id\s*:\s*(\d+)", info, re.MULTILINE)
    return len(set(zip(sockets, cores, strict=True))) or None if len(sockets) == len(cores) else None


def _field(text: str, name: str) -> str | None:
    match = re.search(rf"^{re.escape(name)}\s*:\s*(.+)$", text, re.MULTILINE)
    return match[1].strip() if match else None


def _text(path: Path) -> str:
    """The file's text, empty where this system has no such file."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
