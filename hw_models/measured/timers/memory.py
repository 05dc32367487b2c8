"""Most memory that a piece of work held at once, as the resident set of this process; Linux only."""

from __future__ import annotations

import ctypes
import gc
import re
from pathlib import Path
from types import TracebackType
from typing import Final

_STATUS: Final = Path("/proc/self/status")
_CLEAR: Final = Path("/proc/self/clear_refs")


class ResidentPeak:
    """Context manager: `bytes` is the highest resident set within it less the one at its begin.

    None where the system does not tell it. Memory that the allocator kept from earlier work is handed back
    first, else new work would hide in it.

    Source: proc(5): VmHWM, VmRSS; writing 5 to clear_refs resets VmHWM.
    """

    bytes: float | None = None

    def __enter__(self) -> ResidentPeak:
        gc.collect()
        _trim()
        self._begin = _status("VmRSS")
        self._reset = _reset_peak()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        peak = _status("VmHWM")
        if self._reset and peak is not None and self._begin is not None:
            self.bytes = max(peak - self._begin, 0.0)


def _trim() -> None:
    """Give freed memory back to the system, where the C library can."""
    try:
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    except (OSError, AttributeError):
        return


def _reset_peak() -> bool:
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def _status(name: str) -> float | None:
    try:
        text = _STATUS.read_text()
    except OSError:
        return None
    match = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return float(match[1]) * 1024 if match else None
