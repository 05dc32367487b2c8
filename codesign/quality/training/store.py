"""Results of trainings on disk: a folder a network, a file a plan; nothing is trained twice."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codesign.quality.training.result import TrainingResult
from hw_models.errors import StorageError

RESULT_FORMAT: Final = 1
"""Version of the file; another one is refused, never misread."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is known of one training.

    Attributes:
        asked: epochs that it was asked for.
        result: what came out; None: it failed, and would fail again.
        problem: why it failed.
    """

    asked: int
    result: TrainingResult | None
    problem: str = ""

    def answers(self, epochs: int) -> bool:
        """Whether nothing is left to train to know of so many epochs."""
        if self.result is None:
            return True
        return self.result.epochs >= epochs or (bool(self.result.stopped) and self.asked >= epochs)


@dataclass(frozen=True)
class Place:
    """Where one training lies.

    Attributes:
        folder: of the network.
        key: space, candidate, plan and data: what the training is of.
    """

    folder: Path
    key: Mapping[str, Any]

    @property
    def stem(self) -> str:
        """Name of the files, without ending."""
        text = json.dumps(self.key, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def checkpoint(self) -> Path:
        """The weights, as far as they are."""
        return self.folder / f"{self.stem}.pt"

    @property
    def file(self) -> Path:
        """The result."""
        return self.folder / f"{self.stem}.json"

    def read(self) -> Outcome | None:
        """What is known; None: nothing.

        Raises:
            StorageError: a file that cannot be read, of another format, or of another training.
        """
        try:
            data = json.loads(self.file.read_text("utf-8"))
            if data["format"] != RESULT_FORMAT:
                told = f"format {data['format']!r}, expected {RESULT_FORMAT}"
                msg = f"{self.file} has the {told}; delete it to train again"
                raise StorageError(msg)
            same = data["key"] == self.key
            told = data["result"]
            found = Outcome(
                data["asked"], None if told is None else TrainingResult.from_dict(told), data["problem"]
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            why = f"{type(error).__name__}: {error}"
            msg = f"{self.file} is no result of a training ({why}); delete it to train again"
            raise StorageError(msg) from error
        if not same:
            msg = f"{self.file} is of another training; delete it, or use another folder"
            raise StorageError(msg)
        return found

    def write(self, outcome: Outcome) -> None:
        """Replace the result as a whole.

        Raises:
            StorageError: it cannot be written.
        """
        result = None if outcome.result is None else outcome.result.to_dict()
        data = {
            "format": RESULT_FORMAT,
            "key": self.key,
            "asked": outcome.asked,
            "result": result,
            "problem": outcome.problem,
        }
        draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            with draft.open("w", encoding="utf-8") as out:
                json.dump(data, out, ensure_ascii=False, indent=1)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(self.file)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            msg = f"{self.file}: the result could not be written: {error.strerror}; the checkpoint is safe"
            raise StorageError(msg) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """Train alone: another process that wants the same network waits, and finds it trained.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("a")
        except OSError as error:
            msg = f"{self.folder}: trainings cannot be kept there: {error.strerror}; use another folder"
            raise StorageError(msg) from error
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
