"""The checkpoint of a training: everything an epoch starts from, one file, replaced as a whole.

Written by `torch.save`, read with `weights_only=True`: tensors, numbers, text and containers of them, nothing
that is executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch

from hw_models.errors import StorageError

if TYPE_CHECKING:
    from codesign.quality.training.plan import TrainingPlan

CHECKPOINT_FORMAT: Final = 1
"""Version of the file; another one is refused, never misread."""
REMEDY: Final = "name another file, or delete this one to train from the start"


@dataclass(frozen=True)
class Identity:
    """What a checkpoint belongs to.

    Attributes:
        network: names, shapes and types of all tensors, as a digest.
        data: fingerprint.
        plan: everything that decides the outcome.
        owner: space and candidate, where there are some.
    """

    network: str
    data: str
    plan: TrainingPlan
    owner: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As the file keeps it."""
        return {"network": self.network, "data": self.data, "plan": self.plan.identity(), "owner": self.owner}

    def check(self, path: Path, stored: Mapping[str, Any]) -> None:
        """Refuse a checkpoint of something else.

        Raises:
            StorageError: of another network, space, data or plan; the message says which.
        """
        if stored["owner"] != self.owner:
            _refuse(path, f"of {stored['owner'] or 'a network by itself'}, expected {self.owner or 'none'}")
        if stored["network"] != self.network:
            _refuse(path, "of another network: names or shapes of the weights differ")
        if stored["data"] != self.data:
            _refuse(path, f"of other data: fingerprint {stored['data']} there, {self.data} given")
        differences = self.plan.differences(stored["plan"])
        if differences:
            _refuse(path, f"of another plan: {'; '.join(differences)}")


def shape_of(module: torch.nn.Module) -> str:
    """Digest of names, shapes and types of a module's tensors."""
    told = [(name, tuple(t.shape), str(t.dtype)) for name, t in module.state_dict().items()]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


def save(path: Path, identity: Identity, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint: a kill leaves the old one or the new one.

    Raises:
        StorageError: it cannot be written; the one before is still there.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    content = {"format": CHECKPOINT_FORMAT, "identity": identity.to_dict(), **state}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as out:
            torch.save(content, out)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(path)
    except (OSError, RuntimeError) as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        why = error.strerror if isinstance(error, OSError) else str(error).splitlines()[0]
        msg = f"{path}: the checkpoint could not be written: {why}; the epoch before is safe"
        raise StorageError(msg) from error


def load(path: Path, identity: Identity, device: torch.device) -> dict[str, Any] | None:
    """What `save` wrote; None where there is no file.

    Raises:
        StorageError: a file that is none, of another format, or of something else.
    """
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except Exception as error:  # a damaged file fails in a dozen ways
        msg = f"{path} cannot be read as a checkpoint ({type(error).__name__}); {REMEDY}"
        raise StorageError(msg) from error
    if not isinstance(content, dict) or "format" not in content:
        _refuse(path, "no checkpoint of a training")
    if content["format"] != CHECKPOINT_FORMAT:
        _refuse(path, f"of format {content['format']!r}, expected {CHECKPOINT_FORMAT}")
    identity.check(path, content["identity"])
    found: dict[str, Any] = content
    return found


def _refuse(path: Path, why: str) -> None:
    msg = f"{path} is {why}; {REMEDY}"
    raise StorageError(msg)
