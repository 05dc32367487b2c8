"""Compilation of the inner loops by numba, kept on disk until any file of this package changes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable


def _stamp() -> tuple[float, int]:
    """Latest change and total size of the package's files."""
    files = [path.stat() for path in Path(__file__).parent.glob("*.py")]
    return max(f.st_mtime for f in files), sum(f.st_size for f in files)


STAMP = _stamp()


def compiled(function: Callable[..., Any], **flags: Any) -> Any:
    """The function as machine code that holds no lock.

    numba drops what it kept when the function's own file changes, but not when that of a function which it
    calls does; here the whole package counts as one file.
    """
    made = njit(cache=True, nogil=True, error_model="numpy", **flags)(function)
    made._cache._cache_file._source_stamp = STAMP  # numba has no public way
    return made


def bare(function: Callable[..., Any]) -> Any:
    """The same for one that makes no array: counting references would take half its time."""
    return compiled(function, _nrt=False)


def inlined(function: Callable[..., Any]) -> Any:
    """The same, for a few lines that are put where they are called."""
    return njit(nogil=True, error_model="numpy", inline="always")(function)
