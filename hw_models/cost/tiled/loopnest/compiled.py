"""How this package is compiled: without counting references, which takes longer than an evaluation."""

from __future__ import annotations

from functools import partial
from typing import Any

from hw_models.cost.tiled import compiled as machine_code

compiled: Any = partial(machine_code.compiled, _nrt=False)

inlined: Any = partial(machine_code.compiled, _nrt=False, forceinline=True)
"""The same for what a mapping calls often."""
