"""Readers: what they give, and what they say of files that are missing, damaged or of the wrong kind."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codesign.data.arrays import as_images, digits, from_arrays, load_npz
from codesign.data.folder import image_folder
from codesign.data.libraries import hugging_face_data, torchvision_data
from codesign.data.source import Held, Split, shares
from hw_models.errors import FileError, InputError, MissingExtraError, UnknownNameError

RNG = np.random.default_rng(0)


def picture(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three classes of ten images of 8 x 8."""
    root = tmp_path / "signs"
    for label, name in enumerate(("give_way", "stop", "yield")):
        (root / name).mkdir(parents=True)
        for i in range(10):
            Image.fromarray(picture(10 * label + i)).save(root / name / f"{i}.png")
    return root


def test_a_folder_is_cut_into_splits(folder):
    data = image_folder(folder)
    assert data.classes == ("give_way", "stop", "yield")
    assert [len(s) for s in (data.train, data.val, data.test)] == [21, 3, 6]
    assert data.input_shape == (3, 8, 8)
    assert not data.synthetic
    every = np.concatenate([s.read() for s in (data.train, data.val, data.test)])
    drawn = {picture(i).tobytes() for i in range(30)}
    assert {np.ascontiguousarray(np.moveaxis(x, 0, -1)).tobytes() for x in every} == drawn
    first = data.test.images[np.array([0])][0]
    label = data.test.labels[0]
    assert any(np.array_equal(np.moveaxis(first, 0, -1), picture(10 * label + i)) for i in range(10))
    assert data.fingerprint == image_folder(folder).fingerprint != image_folder(folder, size=4).fingerprint
    assert image_folder(folder, size=(4, 6)).train.images[np.array([0, 1])].shape == (2, 3, 4, 6)


def test_folders_of_splits_are_taken_as_they_are(folder, tmp_path):
    root = tmp_path / "given"
    (root / "valid").mkdir(parents=True)
    folder.rename(root / "train")
    for name in ("give_way", "stop", "yield"):
        (root / "valid" / name).mkdir()
        Image.fromarray(picture(99)).save(root / "valid" / name / "a.png")
    data = image_folder(root)
    assert [len(s) for s in (data.train, data.val, data.test)] == [24, 3, 6]


def test_slices_of_a_folder(folder):
    (folder / "slices.csv").write_text("file,night\nstop/0.png,1\nstop/1.png,0\n")
    data = image_folder(folder, parts=(0.4, 0.4))
    assert sum(int(s.slices["night"].sum()) for s in (data.train, data.val, data.test)) == 1
    (folder / "slices.csv").write_text("file,night\nstop/0.png,yes\n")
    with pytest.raises(FileError, match=r"slices\.csv:2: night: 'yes' given, expected 0 or 1"):
        image_folder(folder)
    (folder / "slices.csv").write_text("file,night\nstop/77.png,1\n")
    with pytest.raises(FileError, match=r"slices\.csv:2: 'stop/77\.png' is no image here"):
        image_folder(folder)


def test_a_damaged_image_is_named(folder):
    whole = (folder / "stop" / "3.png").read_bytes()
    data = image_folder(folder)
    (folder / "stop" / "3.png").write_bytes(whole[:60])
    with pytest.raises(
        FileError, match=r"stop/3\.png: cannot be read as an image: .*; replace it, or take it out"
    ):
        [split.read() for split in (data.train, data.val, data.test)]
    (folder / "stop" / "3.png").write_bytes(b"no image")
    with pytest.raises(FileError, match=r"stop/3\.png: cannot be read as an image"):
        image_folder(folder)


def test_what_is_wrong_with_a_folder_is_named(folder):
    with pytest.raises(FileError, match=r"sings: no such folder, .*did you mean 'signs'"):
        image_folder(folder.with_name("sings"))
    with pytest.raises(FileError, match="the one folder 'signs' found, expected a folder for each of two"):
        image_folder(folder.parent)
    Image.fromarray(picture(1, 9)).save(folder / "stop" / "z.png")
    with pytest.raises(FileError, match=r"z\.png: 9 x 9 pixels, but \d\.png has 8 x 8; give size="):
        image_folder(folder)
    (folder / "empty").mkdir()
    with pytest.raises(
        FileError, match=r"the class 'empty' has no image \(\.png, \.jpg, \.jpeg, \.\.\.\); add"
    ):
        image_folder(folder)


def test_arrays_in_any_order():
    images = RNG.integers(0, 256, (40, 6, 5, 3), np.uint8)
    labels = np.arange(40) % 4
    data = from_arrays(images, labels, slices={"even": labels % 2 == 0})
    assert data.classes == ("0", "1", "2", "3")
    assert data.input_shape == (3, 6, 5)
    assert [len(s) for s in (data.train, data.val, data.test)] == [28, 4, 8]
    assert np.array_equal(data.test.slices["even"], data.test.labels % 2 == 0)
    assert np.array_equal(as_images(images), as_images(images / 255.0))
    assert as_images(images[..., 0]).shape == (40, 1, 6, 5)
    grey = from_arrays(images[..., 0], labels).in_colour()
    assert grey.input_shape == (3, 6, 5)
    assert grey.in_memory().train.read().shape == (28, 3, 6, 5)
    for wrong, text in (
        (images[..., :2], r"images \(40, 6, 5, 2\) given"),
        (images.astype(float), "from 0.0 to 255.0 given, expected integers of 0 to 255"),
    ):
        with pytest.raises(InputError, match=text):
            from_arrays(wrong, labels[: len(wrong)])
    with pytest.raises(InputError, match=r"labels float64 \(40,\) given, expected \(40,\) whole numbers"):
        from_arrays(images, labels * 1.0)
    with pytest.raises(InputError, match="the class 'c4' has no image to learn from"):
        from_arrays(images, labels, ("c0", "c1", "c2", "c3", "c4"))
    with pytest.raises(InputError, match="40 images, 39 labels given, expected as many of each"):
        Split(Held(as_images(images)), labels[:39])


def test_archives(tmp_path):
    images, labels = RNG.integers(0, 256, (40, 6, 5), np.uint8), np.arange(40) % 4
    file = tmp_path / "a.npz"
    np.savez(file, images=images, labels=labels, classes=np.array(list("abcd")), slice_dark=labels == 1)
    data = load_npz(file)
    assert (data.name, data.classes, data.slices) == ("a", tuple("abcd"), ("dark",))
    given = {
        f"{s}_{w}": v for s in ("train", "val", "test") for w, v in (("images", images), ("labels", labels))
    }
    np.savez(file, **given, test_slice_dark=labels == 1)
    assert [len(s) for s in (load_npz(file).train, load_npz(file).val)] == [40, 40]
    assert load_npz(file).slices == ("dark",)
    np.savez(file, images=images)
    with pytest.raises(FileError, match=r"a\.npz: no array 'labels'; arrays there: images"):
        load_npz(file)
    np.savez(file, images=np.array([{}]), labels=labels)
    with pytest.raises(
        FileError, match=r"a\.npz: no archive of plain arrays: Object arrays cannot be loaded"
    ):
        load_npz(file)
    file.write_bytes(b"PK")
    with pytest.raises(FileError, match=r"a\.npz: no archive"):
        load_npz(file)
    with pytest.raises(FileError, match="no such file"):
        load_npz(tmp_path / "b.npz")


def test_shares_by_hand():
    labels = np.repeat([0, 1], [10, 3])
    train, val, test = shares(labels, (0.2, 0.1), seed=1)
    assert [np.bincount(labels[at]).tolist() for at in (train, val, test)] == [[7, 1], [2, 1], [1, 1]]
    assert sorted(np.concatenate([train, val, test])) == list(range(13))
    with pytest.raises(InputError, match=r"shares 0\.6, 0\.4 given, expected .* a sum below 1"):
        shares(labels, (0.6, 0.4), seed=0)


def test_digits():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn, an extra")
    data = digits()
    assert sum(len(s) for s in (data.train, data.val, data.test)) == 1797
    assert data.input_shape == (1, 8, 8)
    assert data.train.read().max() == 255


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match="pip install scikit-learn"):
        digits()


def saved(root: Path, split: str, n: int, *, names: tuple[str, ...] = ("stop", "go")) -> None:
    """A split as `datasets.save_to_disk` writes it."""
    import pyarrow as pa

    encoded = []
    for i in range(n):
        out = io.BytesIO()
        Image.fromarray(picture(i)).save(out, "PNG")
        encoded.append({"bytes": out.getvalue(), "path": None})
    features = {"image": {"_type": "Image"}, "label": {"names": list(names), "_type": "ClassLabel"}}
    table = pa.table(
        {
            "image": pa.array(encoded, pa.struct({"bytes": pa.binary(), "path": pa.string()})),
            "label": [i % 2 for i in range(n)],
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    (root / split).mkdir(parents=True)
    with (
        pa.OSFile(str(root / split / "data-00000-of-00001.arrow"), "wb") as sink,
        pa.ipc.new_stream(sink, table.schema) as writer,
    ):
        writer.write_table(table)


def test_hugging_face_on_disk(tmp_path):
    root = tmp_path / "hf"
    saved(root, "train", 20)
    saved(root, "test", 6)
    data = hugging_face_data(root)
    assert data.classes == ("stop", "go")
    assert [len(s) for s in (data.train, data.val, data.test)] == [18, 2, 6]
    assert np.array_equal(np.moveaxis(data.test.images[np.array([5])][0], 0, -1), picture(5))
    with pytest.raises(UnknownNameError, match=r"unknown column of .*'lab'; did you mean 'label'"):
        hugging_face_data(root, label="lab")
    with pytest.raises(FileError, match="no such folder; nothing is downloaded from here"):
        hugging_face_data(tmp_path / "none")
    (tmp_path / "bare").mkdir()
    with pytest.raises(FileError, match="no 'train' table"):
        hugging_face_data(tmp_path / "bare")
    (root / "test" / "data-00000-of-00001.arrow").write_bytes(b"none")
    with pytest.raises(FileError, match=r"data-00000-of-00001\.arrow: cannot be read as a table"):
        hugging_face_data(root)


def test_torchvision_is_never_asked_to_download(tmp_path):
    with pytest.raises(
        InputError, match=r"'CIFAR10' is not in .*: Dataset not found or corrupted; nothing is down"
    ):
        torchvision_data("CIFAR10", tmp_path)
    with pytest.raises(
        UnknownNameError, match="unknown data set of torchvision 'CIFAR11'; did you mean 'CIFAR10"
    ):
        torchvision_data("CIFAR11", tmp_path)
    with pytest.raises(
        InputError, match="torchvision's 'SBU' given, expected one with a training and a test part"
    ):
        torchvision_data("SBU", tmp_path)


def test_torchvision_on_disk(tmp_path):
    """USPS-like files would need their checksums; FashionMNIST reads plain idx files as they are."""
    import gzip
    import struct

    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", 40), ("t10k", 20)):
        pixels = RNG.integers(0, 256, (n, 28, 28), np.uint8)
        images = struct.pack(">IIII", 0x803, n, 28, 28) + pixels.tobytes()
        labels = struct.pack(">II", 0x801, n) + bytes(i % 10 for i in range(n))
        for kind, content in (("images-idx3", images), ("labels-idx1", labels)):
            (raw / f"{part}-{kind}-ubyte").write_bytes(content)
            with gzip.open(raw / f"{part}-{kind}-ubyte.gz", "wb") as out:
                out.write(content)
    data = torchvision_data("FashionMNIST", tmp_path)
    assert data.input_shape == (1, 28, 28)
    assert len(data.classes) == 10
    assert [len(s) for s in (data.train, data.val, data.test)] == [30, 10, 20]
    assert np.array_equal(data.test.images[np.array([19])][0, 0], pixels[19])
