"""How `kernel`, `kernel_cycles` and `orders` are compiled, and when a stored function is stale."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from numba import config, njit

_SOURCES: Final = ("pack", "compiled", "kernel", "kernel_cycles", "orders")


def _may_store() -> bool:
    """Whether compiled code can be stored beside the sources; what other sources left there is dropped.

    Numba looks at the file of a function alone: a change of what it calls in another one would go unseen.
    """
    if getattr(config, "CACHE_DIR", ""):
        return False
    here = Path(__file__).parent
    key = sha256(b"".join((here / f"{name}.py").read_bytes() for name in _SOURCES)).hexdigest()
    stamp = here / "__pycache__" / "loopnest.sha256"
    try:
        if not stamp.is_file() or stamp.read_text() != key:
            stamp.parent.mkdir(exist_ok=True)
            for index in stamp.parent.glob("*.nbi"):
                if index.name.split(".")[0] in _SOURCES:
                    index.unlink(missing_ok=True)
            stamp.write_text(key)
    except OSError:
        return False
    return True


_STORED: Final = _may_store()

_FLAGS: Final[dict[str, Any]] = {"cache": _STORED, "error_model": "numpy", "_nrt": False}
"""Without counting references (`_nrt`): that of nine arrays at each call takes longer than an evaluation."""

compiled: Any = njit(**_FLAGS)

inlined: Any = njit(forceinline=True, **_FLAGS)
"""The same for what a mapping calls often."""
