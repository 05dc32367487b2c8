"""Compilation of inner loops by numba, kept on disk until any file of the same package changes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")


@cache
def _stamp(package: Path) -> tuple[float, int]:
    """Latest change and total size of a package's files."""
    files = [path.stat() for path in package.glob("*.py")]
    return max(f.st_mtime for f in files), sum(f.st_size for f in files)


def compiled(function: Function, **flags: Any) -> Function:
    """The function as machine code that holds no lock.

    numba drops what it kept when the function's own file changes, but not when that of a function which it
    calls does; here the package that the function stands in counts as one file.
    """
    made = njit(**{"cache": True, "nogil": True, "error_model": "numpy", **flags})(function)
    package = Path(function.__code__.co_filename).parent
    made._cache._cache_file._source_stamp = _stamp(package)  # numba has no public way
    return cast("Function", made)


def bare(function: Function) -> Function:
    """The same for one that makes no array: counting references to those it reads takes half of its time."""
    return compiled(function, _nrt=False)


def inlined(function: Function) -> Function:
    """The same, for a few lines that are put where they are called."""
    return cast("Function", njit(nogil=True, error_model="numpy", inline="always")(function))
