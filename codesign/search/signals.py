"""Stopping a search without losing what is being written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from codesign.runs import RunFolder


class Stopped(KeyboardInterrupt):
    """The search was stopped by Ctrl-C or SIGTERM; the message says what is saved and how to go on."""

    @classmethod
    def after(cls, done: int, total: int, folder: RunFolder | None) -> Self:
        """Stopped with some of the trials done, which are in a folder; None: in memory."""
        said = f"stopped after {done} of {total} trials"
        if folder is None:
            return cls(f"{said}; they are in memory, `study.run()` goes on")
        return cls(f"{said}, all saved in {folder.path}; `codesign search resume {folder.path}` goes on")


class Signals:
    """Ctrl-C and SIGTERM both raise KeyboardInterrupt, but never while a result is being written.

    Elsewhere than in the main thread, where Python delivers no signals, it does nothing.
    """

    def __init__(self) -> None:
        self._old: dict[int, Any] = {}
        self._holding = self._pending = self._ignoring = False

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._old = {s: signal.signal(s, self._got) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler or signal.SIG_DFL)

    def _got(self, number: int, at: FrameType | None) -> None:  # noqa: ARG002 - the signature of a handler
        if self._holding:
            self._pending = True
        elif not self._ignoring:
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """From now on nothing interrupts."""
        self._ignoring = True

    @contextmanager
    def held(self) -> Iterator[None]:
        """Put off an interruption until the block is left."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._pending and not self._ignoring:
            self._pending = False
            raise KeyboardInterrupt
