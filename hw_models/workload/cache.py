"""Kept traces: one small file a network on disk, found by the hash of what was traced.

A file is a NumPy archive of three arrays (whole numbers, real numbers, a JSON header), never pickled. It is
written beside its place and moved there in one step, so that a reader never sees half a file. What cannot be
read, for whatever reason, counts as not there; what cannot be written is traced again next time, and said
once.

The folder is `CODESIGN_CACHE` where that is set ("off": nothing is kept), else the user's cache folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from hw_models.workload.graph import WORKLOAD_FORMAT, Workload
from hw_models.workload.op import N_DIMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

CACHE_FORMAT: Final = 1
"""Version of the file layout; files of another version count as not there."""

_INTEGERS: Final = {
    "op_kind": np.int8,
    "op_dims": np.int64,
    "op_batch_dim": np.int8,
    "op_modelled": np.bool_,
    "in_ptr": np.int64,
    "in_tensor": np.int64,
    "out_ptr": np.int64,
    "out_tensor": np.int64,
    "tensor_ptr": np.int64,
    "tensor_dims": np.int64,
    "tensor_precision": np.int8,
    "tensor_kind": np.int8,
    "tensor_batched": np.bool_,
    "tensor_storage": np.int64,
}
"""Fields of a workload that are packed into one array of whole numbers, with their types."""

_warned: list[str] = []


class CacheWarning(UserWarning):
    """A trace cannot be kept; it is made again next time."""


def cache_dir() -> Path | None:
    """The folder of kept traces; None where `CODESIGN_CACHE` is "off"."""
    given = os.environ.get("CODESIGN_CACHE", "")
    if given.lower() == "off":
        return None
    if given:
        return Path(given).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("codesign", appauthor=False))


def key_of(parts: Iterable[str]) -> str:
    """Hash of all that a trace depends on."""
    digest = hashlib.blake2b(digest_size=20)
    for part in (f"cache {CACHE_FORMAT}", f"workload {WORKLOAD_FORMAT}", *parts):
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()


def cached(key: str, make: Callable[[], Workload]) -> Workload:
    """The workload kept under a key; made and kept where there is none."""
    workload = load(key)
    if workload is None:
        workload = make()
        store(key, workload)
    return workload


def load(key: str) -> Workload | None:
    """The workload kept under a key; None where there is none that can be read."""
    folder = cache_dir()
    if folder is None:
        return None
    try:
        with _place(folder, key, "npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
            header = json.loads(archive["header"].tobytes())
            if header["key"] != key:
                return None
            return _unpacked(header, archive["integers"], archive["reals"])
    except Exception:  # a damaged archive fails in a dozen ways
        return None


def store(key: str, workload: Workload) -> None:
    """Keep a workload under a key."""
    header, integers, reals = _packed(key, workload)
    encoded = np.frombuffer(json.dumps(header, separators=(",", ":")).encode(), np.uint8)

    def write(path: str) -> None:
        with Path(path).open("wb") as file:
            np.savez_compressed(file, header=encoded, integers=integers, reals=reals)

    _write(key, "npz", write)


def load_json(key: str) -> Any:
    """A small table kept under a key; None where there is none that can be read."""
    folder = cache_dir()
    if folder is None:
        return None
    try:
        kept = json.loads(_place(folder, key, "json").read_text(encoding="utf-8"))
        return kept["value"] if kept["key"] == key else None
    except Exception:  # a damaged archive fails in a dozen ways
        return None


def store_json(key: str, value: Any) -> None:
    """Keep a small table under a key."""
    text = json.dumps({"key": key, "value": value}, separators=(",", ":"))
    _write(key, "json", lambda path: _write_text(path, text))


def _write_text(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="utf-8")


def _place(folder: Path, key: str, suffix: str) -> Path:
    return folder / "traces" / key[:2] / f"{key}.{suffix}"


def _write(key: str, suffix: str, write: Callable[[str], None]) -> None:
    """Write beside the place and move there in one step; say once where that cannot be done."""
    folder = cache_dir()
    if folder is None:
        return
    place, temporary = _place(folder, key, suffix), None
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=f".{suffix}")
        os.close(handle)
        write(temporary)
        os.replace(temporary, place)  # noqa: PTH105  (the name says that it is atomic)
    except OSError as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        _warn_once(folder, error)


def _warn_once(folder: Path, error: OSError) -> None:
    if _warned:
        return
    _warned.append(str(folder))
    text = f"traces cannot be kept in {folder} ({error.strerror or error}); every run makes them again"
    warnings.warn(
        f"{text}; name another folder in CODESIGN_CACHE, or set it to 'off'", CacheWarning, stacklevel=2
    )


def _packed(key: str, workload: Workload) -> tuple[dict[str, Any], NDArray[np.int64], NDArray[np.float64]]:
    """Header and arrays of a file; texts and attributes that repeat are listed once."""
    fields = [np.asarray(getattr(workload, name)).ravel() for name in _INTEGERS]
    integers = np.concatenate([f.astype(np.int64) for f in fields])
    header: dict[str, Any] = {
        "key": key,
        "name": workload.name,
        "batch": workload.batch,
        "lengths": [len(f) for f in fields],
        "outputs": list(workload.outputs),
        "meta": dict(workload.meta),
        "target": _distinct(workload.op_target),
        "module": _distinct(workload.op_module),
        "attrs": _distinct([json.dumps(dict(a), separators=(",", ":")) for a in workload.op_attrs]),
    }
    return header, integers, np.asarray(workload.op_vector_cost, np.float64)


def _distinct(texts: Iterable[str]) -> dict[str, list[Any]]:
    """Texts as a list of distinct ones and positions in it."""
    seen: dict[str, int] = {}
    positions = [seen.setdefault(text, len(seen)) for text in texts]
    return {"texts": list(seen), "positions": positions}


def _spread(kept: Mapping[str, list[Any]]) -> tuple[str, ...]:
    """What `_distinct` took apart."""
    return tuple([kept["texts"][p] for p in kept["positions"]])


def _unpacked(header: Mapping[str, Any], integers: NDArray[np.int64], reals: NDArray[np.float64]) -> Workload:
    """The workload of a file; operators with the same attributes share them."""
    fields: dict[str, Any] = {}
    start = 0
    for (name, dtype), length in zip(_INTEGERS.items(), header["lengths"], strict=True):
        fields[name] = integers[start : start + length].astype(dtype)
        start += length
    fields["op_dims"] = fields["op_dims"].reshape(-1, N_DIMS)
    distinct = [json.loads(text) for text in header["attrs"]["texts"]]
    return Workload(
        name=header["name"],
        batch=header["batch"],
        op_vector_cost=reals,
        op_target=_spread(header["target"]),
        op_module=_spread(header["module"]),
        op_attrs=tuple([distinct[p] for p in header["attrs"]["positions"]]),
        outputs=tuple(header["outputs"]),
        meta=header["meta"],
        **fields,
    )
