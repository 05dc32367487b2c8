"""Data sets in memory: arrays, `.npz` files, scikit-learn's digits."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from codesign.data.source import SPLITS, About, Bytes, DataSource, Held, Indices, Split, digest, shares
from hw_models.errors import FileError, InputError, MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

CHANNELS: Final = (1, 3)


def from_arrays(
    images: NDArray[Any],
    labels: Sequence[int] | NDArray[Any],
    classes: Sequence[str] = (),
    *,
    about: About | None = None,
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
    parts: tuple[float, float] = (0.1, 0.2),
    seed: int = 0,
) -> DataSource:
    """A data set of arrays, cut into splits, each class by itself.

    Args:
        images: (n, H, W), (n, H, W, C) or (n, C, H, W) with one or three channels; 0 to 255, or 0 to 1 where
            they are no integers.
        labels: (n,) class of each image, from 0.
        classes: names; empty: their numbers.
        about: name, licence and origin.
        slices: condition -> (n,) whether each image is in it.
        parts: shares of validation and test images.
        seed: of the cut.

    Raises:
        InputError: arrays that are no images, or labels that do not fit them.
    """
    values, told = as_images(images), as_labels(labels, len(images))
    marks = {} if slices is None else {s: np.asarray(m, bool) for s, m in slices.items()}
    cut: dict[str, Indices] = dict(zip(SPLITS, shares(told, parts, seed), strict=True))
    splits = {
        name: Split(Held(values[at]), told[at], {s: m[at] for s, m in marks.items()})
        for name, at in cut.items()
    }
    named = _named(classes, told)
    fingerprint = digest(values, told, named, parts, seed, *(x for s in sorted(marks) for x in (s, marks[s])))
    return (about or About()).data(named, _shape(values), splits, fingerprint)


def load_npz(path: str | Path, *, parts: tuple[float, float] = (0.1, 0.2), seed: int = 0) -> DataSource:
    """The data set of a `.npz` file; nothing in it is executed.

    Arrays `images` and `labels` are cut into splits; `train_images`, `train_labels`, and the same with `val_`
    and `test_`, are taken as they are. `classes` names the classes; `slice_NAME` (`test_slice_NAME`) says
    which images are in a slice.

    Args:
        path: the file.
        parts: shares of validation and test images where the file has no splits.
        seed: of the cut.

    Raises:
        FileError: no file, no such archive, arrays that are missing or pickled.
    """
    file = Path(path)
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except FileNotFoundError as error:
        raise FileError.at(file, "no such file, expected an archive that numpy.savez wrote") from error
    except (OSError, ValueError, zipfile.BadZipFile, AttributeError) as error:
        raise FileError.at(file, f"no archive of plain arrays: {error}; write it with numpy.savez") from error
    classes = [str(c) for c in arrays.get("classes", ())]
    about = About(file.stem, origin=str(file))
    try:
        if "images" in arrays:
            _need(file, arrays, ("labels",))
            marks = {k.removeprefix("slice_"): v for k, v in arrays.items() if k.startswith("slice_")}
            return from_arrays(
                arrays["images"], arrays["labels"], classes, slices=marks, parts=parts, seed=seed, about=about
            )
        _need(file, arrays, tuple(f"{s}_{what}" for s in SPLITS for what in ("images", "labels")))
        return _given_splits(arrays, classes, about)
    except InputError as error:
        if isinstance(error, FileError):
            raise
        raise FileError.at(file, str(error)) from error


def _given_splits(arrays: Mapping[str, NDArray[Any]], classes: Sequence[str], about: About) -> DataSource:
    splits: dict[str, Split] = {}
    for s in SPLITS:
        values = as_images(arrays[f"{s}_images"])
        prefix = f"{s}_slice_"
        marks = {
            k.removeprefix(prefix): np.asarray(v, bool) for k, v in arrays.items() if k.startswith(prefix)
        }
        splits[s] = Split(Held(values), as_labels(arrays[f"{s}_labels"], len(values)), marks)
    named = _named(classes, np.concatenate([s.labels for s in splits.values()]))
    told = digest(named, *(x for key in sorted(arrays) for x in (key, arrays[key])))
    return about.data(named, _shape(as_images(arrays["train_images"])), splits, told)


def _named(classes: Sequence[str], labels: Indices) -> tuple[str, ...]:
    return tuple(classes) or tuple(str(i) for i in range(int(labels.max(initial=-1)) + 1))


def digits(*, parts: tuple[float, float] = (0.15, 0.25), seed: int = 0) -> DataSource:
    """Scikit-learn's handwritten digits, 1,797 grey images of 8 x 8; they come with the package.

    Args:
        parts: shares of validation and test images.
        seed: of the cut.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        msg = "the digits come with scikit-learn, which is not installed: pip install scikit-learn"
        raise MissingExtraError(msg) from error
    found = load_digits()
    return from_arrays(
        np.round(found.images * (255 / 16)).astype(np.uint8),
        found.target,
        about=About("digits", "CC BY 4.0", "scikit-learn: test set of Alpaydin and Kaynak, UCI 1998"),
        parts=parts,
        seed=seed,
    )


def as_images(given: NDArray[Any]) -> Bytes:
    """(n, C, H, W), 0 to 255, of arrays in any of the usual orders.

    Raises:
        InputError: no images.
    """
    values = np.asarray(given)
    wanted = "expected (n, H, W), (n, H, W, C) or (n, C, H, W) with 1 or 3 channels"
    if values.ndim == 3:
        values = values[:, None]
    elif values.ndim == 4 and values.shape[1] not in CHANNELS and values.shape[3] in CHANNELS:
        values = np.moveaxis(values, 3, 1)
    if values.ndim != 4 or values.shape[1] not in CHANNELS or not len(values):
        msg = f"images {np.asarray(given).shape} given, {wanted}"
        raise InputError(msg)
    if values.dtype == np.uint8:
        return np.ascontiguousarray(values)
    top = 1.0 if values.dtype.kind == "f" else 255
    low, high = values.min(), values.max()
    if values.dtype.kind not in "fui" or not (low >= 0 and high <= top):
        wanted = "expected integers of 0 to 255 or numbers of 0 to 1"
        msg = f"images {values.dtype} from {low} to {high} given, {wanted}"
        raise InputError(msg)
    return np.ascontiguousarray(np.round(values * (255 / top)).astype(np.uint8))


def as_labels(given: Sequence[int] | NDArray[Any], n: int) -> Indices:
    """(n,) classes.

    Raises:
        InputError: no whole numbers from 0, or another number of them.
    """
    labels = np.asarray(given)
    if labels.shape != (n,) or labels.dtype.kind not in "ui" or labels.min(initial=0) < 0:
        msg = f"labels {labels.dtype} {labels.shape} given, expected ({n},) whole numbers from 0"
        raise InputError(msg)
    return labels.astype(np.int64)


def _shape(values: Bytes) -> tuple[int, int, int]:
    return int(values.shape[1]), int(values.shape[2]), int(values.shape[3])


def _need(file: Path, arrays: Mapping[str, Any], wanted: Sequence[str]) -> None:
    lacking = next((w for w in wanted if w not in arrays), None)
    if lacking is not None:
        has = ", ".join(sorted(arrays)) or "none"
        raise FileError.at(file, f"no array '{lacking}'; arrays there: {has}")
