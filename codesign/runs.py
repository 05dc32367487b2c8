"""The run folder: what a search leaves on disk, so that nothing is lost whatever ends it.

    config.yaml     what was asked for; a run is resumed only with the same
    journal.log     one line per trial, Optuna's journal: the truth, everything else can be made from it
    known.jsonl     qualities that were known before, with the points they lead to; only of a warm start
    trials.parquet  the trials as a table, written when a search ends or stops
    env.json        versions and machine
    report.html     written by `codesign report`

Every file carries a format version. Files are replaced as a whole, the journal only grows.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

from hw_models.errors import StorageError

if TYPE_CHECKING:
    import optuna
    from optuna.study import StudyDirection
    from optuna.trial import FrozenTrial

RUN_FORMAT: Final = 1
"""Version of every file of a run folder; another one is refused, never misread."""

STUDY_NAME: Final = "codesign"
LOCK_GRACE_S: Final = 2.0
PACKAGES: Final = (
    "codesign",
    "numpy",
    "optuna",
    "moocore",
    "pandas",
    "pydantic",
    "timm",
    "torch",
    "torchvision",
)


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A run folder, which need not exist yet.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """What was asked for."""
        return self.path / "config.yaml"

    @property
    def journal(self) -> Path:
        """The trials."""
        return self.path / "journal.log"

    @property
    def trials(self) -> Path:
        """The trials as a table."""
        return self.path / "trials.parquet"

    @property
    def known(self) -> Path:
        """What the study knew before its first trial; only there where it knew something."""
        return self.path / "known.jsonl"

    @property
    def env(self) -> Path:
        """Versions and machine."""
        return self.path / "env.json"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def exists(self) -> bool:
        """Whether a search was started here.

        Raises:
            StorageError: where there is something else.
        """
        if self.config.is_file():
            return True
        if self.path.exists() and not self.path.is_dir():
            msg = f"{self.path} is a file, expected a run folder or a new name"
            raise StorageError(msg)
        own = {
            ".lock",
            self.known.name,
            *(_draft(file).name for file in (self.config, self.env, self.trials, self.report, self.known)),
        }
        others = [p.name for p in self.path.iterdir() if p.name not in own] if self.path.is_dir() else []
        if others:
            msg = (
                f"{self.path} has no config.yaml but other files ({others[0]}); "
                "expected a run folder or a new name"
            )
            raise StorageError(msg)
        return False

    def need(self) -> RunFolder:
        """The folder, if a search was started here.

        Raises:
            StorageError: where it was not.
        """
        if not self.path.is_dir() or not self.config.is_file():
            beside = (
                sorted(p.parent.name for p in self.path.parent.glob("*/config.yaml"))
                if self.path.parent.is_dir()
                else []
            )
            known = (
                f"runs beside it: {', '.join(beside[:8])}"
                if beside
                else "`codesign search run STUDY.yaml` starts one"
            )
            msg = f"{self.path} is no run folder (no config.yaml); {known}"
            raise StorageError(msg)
        return self

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the folder for writing; a second writer, in this or in another process, is refused.

        Raises:
            StorageError: where somebody else writes, or the folder cannot be written.
        """
        import fcntl

        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = error.strerror or error
            msg = f"{self.path} cannot be made: {why}; expected a folder that can be written"
            raise StorageError(msg) from error
        with self.guarded("the lock"):
            lock = (self.path / ".lock").open("a+")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                if error.errno not in (errno.EAGAIN, errno.EACCES):
                    msg = f"{self.path} cannot be locked ({error.strerror}); use a folder on a local disk"
                    raise StorageError(msg) from error
                msg = (
                    f"{self.path} is being written by {_owner(lock)}; "
                    "wait for it, stop it, or use another folder"
                )
                raise StorageError(msg) from error
            lock.seek(0)
            lock.truncate()
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            self._drop_stale_journal_lock()
            yield

    def _drop_stale_journal_lock(self) -> None:
        """Remove the lock that a killed process left beside the journal: we hold the folder.

        Only optuna-dashboard may hold it for a moment, hence the grace.
        """
        stale = self.journal.with_name("journal.log.lock")
        until = time.monotonic() + LOCK_GRACE_S
        while stale.is_symlink() and time.monotonic() < until and not _dead_for_long(stale):
            time.sleep(0.05)
        stale.unlink(missing_ok=True)

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn an error of the file system into a message that says what is safe and how to go on.

        Raises:
            StorageError: a full disk, a folder without permission, a broken mount.
        """
        try:
            yield
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            why = "no space left on the device" if full else (error.strerror or str(error))
            fix = "free some space" if full else "make the folder writable"
            msg = (
                f"{self.path}: {what} could not be written: {why}; "
                f"every trial before it is safe, {fix} and resume"
            )
            raise StorageError(msg) from error

    def write_text(self, file: Path, text: str) -> None:
        """Replace a file as a whole: readers see the old or the new one, never a part."""
        self.write_bytes(file, text.encode())

    def write_bytes(self, file: Path, data: bytes) -> None:
        """Replace a file as a whole: readers see the old or the new one, never a part."""
        draft = _draft(file)
        with self.guarded(file.name):
            with draft.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            draft.replace(file)

    def read_config(self) -> dict[str, Any]:
        """What was asked for.

        Raises:
            StorageError: where the file is unreadable or of another format.
        """
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        try:
            data = YAML(typ="safe").load(self.config.read_text("utf-8"))
        except (OSError, UnicodeDecodeError, YAMLError) as error:
            msg = f"{self.config} cannot be read: {' '.join(str(error).split())}"
            raise StorageError(msg) from error
        if not isinstance(data, dict):
            msg = f"{self.config} holds no settings, expected the file that `codesign search run` wrote"
            raise StorageError(msg)
        check_format(self.config, data.get("format"))
        return data

    def write_env(self) -> None:
        """Versions and machine of the process that writes the run; the last writer's stand."""
        env = {
            "format": RUN_FORMAT,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "packages": {name: installed for name in PACKAGES if (installed := _version(name))},
        }
        self.write_text(self.env, json.dumps(env, indent=2) + "\n")

    def repair_journal(self) -> str:
        """Cut off a last line that was not written to its end; what was done, in words, or "".

        Raises:
            StorageError: where a line before the last is damaged: that is no interrupted write.
        """
        if not self.journal.exists():
            return ""
        with self.guarded("the repaired journal"):
            raw = self.journal.read_bytes()
            good = _whole_lines(self.journal, raw)
            if good == len(raw):
                return ""
            with self.journal.open("r+b") as journal:
                journal.truncate(good)
                os.fsync(journal.fileno())
        return (
            f"{self.journal}: the last line was cut off in the middle of a write and was removed "
            f"({len(raw) - good} bytes); its trial had not been told and is evaluated again"
        )

    def read_trials(self) -> list[FrozenTrial]:
        """The trials of the journal, if there is one yet; a line that is being written is passed over."""
        study = self.read_study()
        return [] if study is None else study.get_trials(deepcopy=False)

    def read_study(self) -> optuna.Study | None:
        """The Optuna study of the journal to read from; None: there is none yet."""
        if not self.journal.exists() or not _whole_lines(self.journal, self.journal.read_bytes()):
            return None
        return self.open_journal()

    def open_journal(self, directions: list[StudyDirection] | None = None) -> optuna.Study:
        """The Optuna study of the run; `directions` are needed where it does not exist yet.

        Raises:
            StorageError: where the journal is unreadable or of another format.
        """
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        from codesign.search.asker import quiet

        try:
            with quiet(), self.guarded("the journal"):
                storage = JournalStorage(JournalFileBackend(str(self.journal)))
                # `load_if_exists` would add a line to the journal each time it is opened
                begun = any(s.study_name == STUDY_NAME for s in storage.get_all_studies())
                if begun or directions is None:
                    study = optuna.load_study(study_name=STUDY_NAME, storage=storage)
                else:
                    study = optuna.create_study(storage=storage, study_name=STUDY_NAME, directions=directions)
                if directions is not None and "format" not in study.user_attrs:
                    study.set_user_attr("format", RUN_FORMAT)
        except (KeyError, ValueError, TypeError) as error:
            msg = f"{self.journal} cannot be read as Optuna's journal: {type(error).__name__}: {error}"
            raise StorageError(msg) from error
        found = study.user_attrs.get("format")
        if found is not None or study.get_trials(deepcopy=False):
            check_format(self.journal, found)
        return study


def check_format(file: Path, found: Any) -> None:
    """Refuse a file of another format.

    Raises:
        StorageError: where `found` is not the format of this release.
    """
    if found != RUN_FORMAT:
        said = "no format version" if found is None else f"format {found!r}"
        msg = (
            f"{file} has {said}, this release reads format {RUN_FORMAT}; "
            "open it with the release that wrote it"
        )
        raise StorageError(msg)


def _draft(file: Path) -> Path:
    """Where a file is written before it takes the place of the old one; a killed process may leave it."""
    return file.with_name(f".{file.name}.new")


def _whole_lines(journal: Path, raw: bytes) -> int:
    """Length of the part of a journal that was written completely."""
    good = 0
    lines = raw.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        if not (line.endswith(b"\n") and _is_json(line)):
            if number < len(lines):
                msg = (
                    f"{journal}:{number}: the line is damaged though others follow it; "
                    "restore the file from a copy"
                )
                raise StorageError(msg)
            break
        good += len(line)
    return good


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), Mapping)
    except ValueError:
        return False


def _dead_for_long(lock: Path) -> bool:
    try:
        return time.time() - lock.lstat().st_mtime > LOCK_GRACE_S
    except OSError:
        return True


def _owner(lock: IO[str]) -> str:
    lock.seek(0)
    return lock.read().strip() or "another process"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
