"""What is installed, what is missing, and what to do about it: the answer to "why does it not work here?"."""

from __future__ import annotations

import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final, Literal

from typing_extensions import override

from hw_models.errors import CodesignError

DISTRIBUTION: Final = "codesign"
MIN_FREE_BYTES: Final = 2e9
"""A run folder needs megabytes; an installation needs about 1.5 GB more."""

State = Literal["ok", "note", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at.

    Attributes:
        area: the group it belongs to ("packages").
        name: what was looked at.
        state: "ok"; "note": optional, absent; "warn": works, with a limit; "fail": something will not work.
        found: what was found.
        advice: what to do, "" where nothing is to be done.
    """

    area: str
    name: str
    state: State
    found: str
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """Everything that was looked at."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing fails."""
        return all(c.state != "fail" for c in self.checks)

    def to_rows(self) -> list[dict[str, Any]]:
        """One mapping a check, as `--json` prints it."""
        return [asdict(c) for c in self.checks]

    @override
    def __repr__(self) -> str:
        bad = sum(c.state == "fail" for c in self.checks)
        return f"Health({len(self.checks)} checks, {bad} failing)"


def examine() -> Health:
    """Look at everything; a look that fails is itself a finding."""
    looks: tuple[Callable[[], Iterator[Check]], ...] = (
        _python,
        _packages,
        _torchvision,
        _extras,
        _chips,
        _plugins,
        _storage,
    )
    checks: list[Check] = []
    for look in looks:
        try:
            checks += look()
        except (CodesignError, OSError, ImportError, RuntimeError) as error:
            checks.append(
                Check(look.__name__.strip("_"), "check", "fail", f"{type(error).__name__}: {error}")
            )
    return Health(tuple(checks))


def _python() -> Iterator[Check]:
    version = platform.python_version()
    fits = sys.version_info >= (3, 11)
    yield Check(
        "python", "version", "ok" if fits else "fail", version, "" if fits else "install Python 3.11 or newer"
    )
    yield Check("python", "interpreter", "ok", sys.executable)
    yield Check("python", "system", "ok", platform.platform())


def _packages() -> Iterator[Check]:
    for requirement in _requirements():
        name, wanted = _name(requirement), _wanted(requirement)
        version = _version(name)
        if version is None:
            yield Check("packages", name, "fail", "not installed", f"pip install '{name}{wanted}'")
        elif not _satisfies(version, wanted):
            yield Check(
                "packages",
                name,
                "fail",
                f"{version}, but {wanted} is needed",
                f"pip install '{name}{wanted}'",
            )
        else:
            yield Check("packages", name, "ok", version)


def _torchvision() -> Iterator[Check]:
    from search_spaces import torchvision_hook

    torchvision_hook.install()
    try:
        import torchvision
    except Exception as error:  # a broken binary may raise anything
        yield Check(
            "torch",
            "torchvision",
            "fail",
            f"does not import: {error}",
            "reinstall torch and torchvision together",
        )
        return
    repaired = torchvision_hook.repaired()
    how = "imports after its operator schemas were declared (CPU torch)" if repaired else "imports by itself"
    yield Check("torch", "torchvision", "ok", f"{torchvision.__version__} {how}")


def _extras() -> Iterator[Check]:
    distribution = metadata.metadata(DISTRIBUTION)
    for extra in distribution.get_all("Provides-Extra") or ():
        absent = [_name(r) for r in _requirements(extra) if _version(_name(r)) is None]
        if absent:
            yield Check(
                "extras",
                extra,
                "note",
                f"missing {', '.join(absent)}",
                f"pip install '{DISTRIBUTION}[{extra}]'",
            )
        else:
            yield Check("extras", extra, "ok", "installed")


def _chips() -> Iterator[Check]:
    from hw_models.spec.load import list_chips, load_chip

    names = list_chips()
    costable = 0
    for name in names:
        try:
            costable += load_chip(name).costable
        except CodesignError as error:
            yield Check("chips", name, "fail", str(error), f"codesign chips check {name}")
    state: State = "ok" if costable else "fail"
    yield Check(
        "chips",
        "catalogue",
        state,
        f"{len(names)} files, {costable} costable",
        "" if costable else "reinstall codesign",
    )


def _plugins() -> Iterator[Check]:
    from hw_models import registry

    for group in registry.GROUPS:
        for plugin in registry.plugins(group):
            where = f"{plugin.group}: {plugin.name}"
            if plugin.broken:
                yield Check(
                    "plug-ins",
                    where,
                    "fail",
                    plugin.error,
                    f"reinstall or remove the package '{plugin.package}'",
                )
            else:
                yield Check("plug-ins", where, "ok", plugin.target)


def _storage() -> Iterator[Check]:
    from hw_models.workload.cache import cache_dir

    cache = cache_dir()
    places = {"working folder": Path.cwd()}
    if cache is None:
        advice = "unset CODESIGN_CACHE to keep traces: a network then loads in milliseconds"
        yield Check("storage", "trace cache", "note", "switched off", advice)
    else:
        sizes = [size for f in cache.rglob("*") if (size := _size(f)) is not None]
        said = f"{cache}: {len(sizes)} files, {sum(sizes) / 1e6:.1f} MB"
        yield Check("storage", "trace cache", "ok", said)
        places["cache disk"] = cache
    for name, place in places.items():
        existing = next(p for p in (place, *place.parents) if p.exists())
        free = shutil.disk_usage(existing).free
        enough = free >= MIN_FREE_BYTES
        advice = "" if enough else "free some space, or work in another folder"
        yield Check(
            "storage", name, "ok" if enough else "warn", f"{free / 1e9:.1f} GB free at {existing}", advice
        )


def _size(file: Path) -> int | None:
    """Bytes of a file; None for a folder, and for a file that another process has just taken away."""
    try:
        status = file.stat()
    except FileNotFoundError:
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


def _requirements(extra: str | None = None) -> list[str]:
    """Requirement lines of the distribution, of one extra or of none; its own extras are left out."""
    lines = metadata.requires(DISTRIBUTION) or []
    if extra is None:
        return [line for line in lines if "extra ==" not in line]
    mark = re.compile(rf"extra == ['\"]{re.escape(extra)}['\"]")
    return [line for line in lines if mark.search(line) and _name(line) != DISTRIBUTION]


def _name(requirement: str) -> str:
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    return match.group() if match else requirement


def _wanted(requirement: str) -> str:
    specifier = requirement.split(";", maxsplit=1)[0][len(_name(requirement)) :]
    return re.sub(r"\[.*?\]", "", specifier).strip()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _satisfies(version: str, wanted: str) -> bool:
    """Whether a version meets ">=a,<b"; only the two forms that our own requirements use are read."""
    for part in filter(None, (p.strip() for p in wanted.split(","))):
        if part.startswith(">=") and _release(version) < _release(part[2:]):
            return False
        if part.startswith("<") and not part.startswith("<=") and _release(version) >= _release(part[1:]):
            return False
    return True


def _release(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version.strip())
    numbers = [int(n) for n in match.group().split(".")] if match else [0]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
