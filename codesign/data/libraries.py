"""Data sets of torchvision and of Hugging Face that lie on this disk; nothing is ever downloaded."""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.data.pictures import Looked, Pictures, as_picture, size_of
from codesign.data.source import About, DataSource, Images, Indices, Split, digest, shares
from hw_models.errors import FileError, InputError, UnknownNameError, sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HUB_SPLITS: Final = {"train": ("train",), "val": ("validation", "valid", "val"), "test": ("test",)}
_NO_DOWNLOAD: Final = "nothing is downloaded from here"


def torchvision_data(
    name: str, root: str | Path, *, size: int | None = None, val_share: float = 0.1, seed: int = 0
) -> DataSource:
    """A classification set of torchvision, such as "CIFAR10" or "GTSRB", where its files are on disk.

    Args:
        name: of the class in `torchvision.datasets`.
        root: folder that the files were downloaded to.
        size: pixels of the side; None: those of the first image.
        val_share: of the training images, for validation.
        seed: of the cut.

    Raises:
        UnknownNameError: torchvision has no such data set.
        InputError: one that has no training and test part, or whose files are not there.
    """
    from search_spaces.torchvision_hook import install

    install()
    from torchvision import datasets

    if name not in datasets.__all__:
        raise UnknownNameError("data set of torchvision", name, datasets.__all__)
    kind = getattr(datasets, name)
    whole, test = (_part(kind, name, Path(root), part) for part in ("train", "test"))
    labels, test_labels = _labels(whole), _labels(test)
    first = np.asarray(as_picture(whole[0][0]))
    height, width = (size, size) if size else first.shape[:2]
    shape = (1 if first.ndim == 2 else 3, int(height), int(width))
    train_at, val_at = shares(labels, (val_share,), seed)
    classes = tuple(getattr(whole, "classes", ())) or tuple(str(i) for i in range(int(labels.max()) + 1))

    def split(items: Any, told: Indices, at: Indices) -> Split:
        return Split(Looked(items, shape, at, name), told[at])

    splits = {
        "train": split(whole, labels, train_at),
        "val": split(whole, labels, val_at),
        "test": split(test, test_labels, np.arange(len(test_labels))),
    }
    about = About(name, "see the data set's own page", f"torchvision.datasets.{name} in {root}")
    seen = [np.asarray(as_picture(whole[int(i)][0])) for i in np.linspace(0, len(labels) - 1, 8).astype(int)]
    return about.data(
        classes, shape, splits, digest(name, shape, labels, test_labels, val_share, seed, *seen)
    )


def hugging_face_data(
    path: str | Path,
    *,
    image: str = "",
    label: str = "",
    size: int | None = None,
    parts: tuple[float, float] = (0.1, 0.2),
    seed: int = 0,
) -> DataSource:
    """A data set that `datasets.save_to_disk` wrote, or parquet files as the hub has them; read by pyarrow.

    Args:
        path: the folder.
        image: column of the images; empty: the one that holds encoded bytes.
        label: column of the classes; empty: "label", or "labels", or "fine_label".
        size: pixels of the side; None: those of the first image.
        parts: shares of validation and test images where there are none.
        seed: of the cut.

    Raises:
        FileError: no such folder, no table, no such column, an image that is damaged.
    """
    root = Path(path)
    tables = _tables(root)
    first = tables["train"]
    image = _column(
        root, first, image, [n for n in first.column_names if _encoded(first, n)], "encoded images"
    )
    usual = [n for n in ("label", "labels", "fine_label") if n in first.column_names]
    label = _column(root, first, label, usual, "classes")
    bytes_of = {s: [b["bytes"] for b in t.column(image).to_pylist()] for s, t in tables.items()}
    inside = {s: [f"{root}: {s}[{i}]" for i in range(len(b))] for s, b in bytes_of.items()}
    labels = {s: np.asarray(t.column(label).to_pylist(), np.int64) for s, t in tables.items()}
    channels, height, width = size_of(bytes_of["train"][0], inside["train"][0])
    shape = (channels, size or height, size or width)
    classes = _class_names(first, label) or tuple(str(i) for i in range(int(labels["train"].max()) + 1))

    def split(of: str, at: Indices) -> Split:
        images: Images = Pictures([bytes_of[of][i] for i in at], shape, [inside[of][i] for i in at])
        return Split(images, labels[of][at])

    lacking = [(s, part) for s, part in zip(("val", "test"), parts, strict=True) if s not in tables]
    pieces = shares(labels["train"], [p for _, p in lacking], seed)
    splits = {
        s: split("train", at) for s, at in zip(["train", *(s for s, _ in lacking)], pieces, strict=True)
    }
    splits |= {s: split(s, np.arange(len(labels[s]))) for s in tables if s != "train"}
    heads = [digest(b[: 1 << 10]) + str(len(b)) for s in bytes_of for b in bytes_of[s]]
    about = About(root.name, "see the data set's card", str(root))
    return about.data(classes, shape, splits, digest(heads, shape, *labels.values(), parts, seed))


def _part(kind: Any, name: str, root: Path, part: str) -> Any:
    known = inspect.signature(kind).parameters
    if "train" in known:
        chosen: dict[str, Any] = {"train": part == "train"}
    elif "split" in known:
        chosen = {"split": part}
    else:
        msg = f"torchvision's '{name}' given, expected one with a training and a test part"
        raise InputError(msg)
    if "download" in known:
        chosen["download"] = False
    try:
        return kind(root, **chosen)
    except (RuntimeError, OSError, ValueError) as error:
        why = str(error).splitlines()[0].split("You can use")[0].strip().rstrip(".")
        fetch = f"torchvision.datasets.{name}({str(root)!r}, download=True)"
        msg = sentence(
            f"'{name}' is not in {root}: {why}", _NO_DOWNLOAD, f"where you may, run `{fetch}` once in Python"
        )
        raise InputError(msg) from error


def _labels(items: Any) -> Indices:
    """Classes of all items; from the attribute that most sets have, else by reading them."""
    for place in ("targets", "labels", "_labels"):
        if hasattr(items, place):
            return np.asarray(getattr(items, place), np.int64)
    pairs = getattr(items, "_samples", None) or getattr(items, "samples", None)
    if pairs is not None:
        return np.asarray([label for _, label in pairs], np.int64)
    return np.asarray([int(items[i][1]) for i in range(len(items))], np.int64)


def _tables(root: Path) -> dict[str, Any]:
    """Split -> table, of every split that is there."""
    if not root.is_dir():
        raise FileError.at(root, f"no such folder; {_NO_DOWNLOAD}: save one with datasets' `save_to_disk`")
    found: dict[str, Any] = {}
    for split, names in HUB_SPLITS.items():
        for name in names:
            arrow = sorted((root / name).glob("*.arrow"))
            parquet = sorted({*root.glob(f"**/{name}-*.parquet"), *root.glob(f"**/{name}/*.parquet")})
            if arrow or parquet:
                found[split] = _read(arrow or parquet)
                break
    if "train" not in found:
        whole = sorted(root.glob("*.arrow")) or sorted(root.glob("*.parquet"))
        if not whole:
            raise FileError.at(root, "no 'train' table (.arrow or .parquet) there, expected a saved data set")
        found["train"] = _read(whole)
    return found


def _read(files: Sequence[Path]) -> Any:
    import pyarrow as pa
    from pyarrow import parquet

    tables = []
    for file in files:
        try:
            if file.suffix == ".parquet":
                tables.append(parquet.read_table(file))
            else:
                with pa.memory_map(str(file)) as source:
                    tables.append(pa.ipc.open_stream(source).read_all())
        except (pa.ArrowInvalid, OSError) as error:
            raise FileError.at(file, f"cannot be read as a table: {str(error).splitlines()[0]}") from error
    return pa.concat_tables(tables)


def _encoded(table: Any, name: str) -> bool:
    import pyarrow as pa

    kind = table.schema.field(name).type
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _column(root: Path, table: Any, given: str, usual: Sequence[str], what: str) -> str:
    if given and given not in table.column_names:
        raise UnknownNameError(f"column of {root}", given, table.column_names)
    if not given and not usual:
        raise FileError.at(root, f"no column of {what}; columns there: {', '.join(table.column_names)}")
    return given or usual[0]


def _class_names(table: Any, label: str) -> tuple[str, ...]:
    """Names of the classes as Hugging Face's metadata has them; none where it has none."""
    told: Mapping[str, Any] = {}
    meta = (table.schema.metadata or {}).get(b"huggingface")
    if meta is not None:
        told = json.loads(meta).get("info", {}).get("features", {})
    return tuple(told.get(label, {}).get("names", ()))
