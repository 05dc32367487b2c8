"""A corpus of broken chip files, each with everything that is to be said about it in its head."""

from __future__ import annotations

from pathlib import Path

import pytest

from hw_models.errors import FileError
from hw_models.spec.check import check_file
from hw_models.spec.load import read_chip

CORPUS = sorted((Path(__file__).parent / "broken").glob("*.yaml"))


def expected(file: Path) -> list[str]:
    """The lines `# expect: LINE: PATH: SEVERITY: MESSAGE` at the head of a file; some have no LINE."""
    heads = (line for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("# expect: "))
    return [line.removeprefix("# expect: ") for line in heads]


def said(file: Path) -> list[str]:
    return [str(d).removeprefix(str(file)).removeprefix(":").strip() for d in check_file(file).remarks]


def test_the_corpus_is_there() -> None:
    assert len(CORPUS) >= 80


@pytest.mark.parametrize("file", CORPUS, ids=lambda f: f.stem)
def test_everything_wrong_is_said_at_once(file: Path) -> None:
    assert said(file) == expected(file)
    assert expected(file)


def test_the_error_carries_file_line_and_path() -> None:
    file = next(f for f in CORPUS if f.stem == "several_mistakes")
    with pytest.raises(FileError) as caught:
        read_chip(file)
    assert [f.path for f in caught.value.findings] == [
        "engines.0.peak.int8",
        "engines.0.peak.int8.source",
        "memory.0.bandwith",  # codespell:ignore
        "tdp",
    ]
    assert all(line.startswith(f"{file}:") for line in str(caught.value).splitlines())


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    file = tmp_path / "chip.yaml"
    file.write_bytes(b"name: \xff\xfe")
    assert said(file) == ["error: is not UTF-8 text (invalid start byte at byte 6); expected a YAML file"]


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "my_npu.yaml").touch()
    assert said(tmp_path / "my_npo.yaml") == [
        "error: cannot be read: No such file or directory; did you mean 'my_npu.yaml'?; expected a chip file"
    ]


def test_a_missing_file_of_a_packaged_chip_names_the_chip(tmp_path: Path) -> None:
    assert "did you mean 'rtx4090'?" in said(tmp_path / "rtx4090.yaml")[0]


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert said(tmp_path) == ["error: cannot be read: Is a directory; expected a chip file"]


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "schema_version: 1\nengines: &a [*a]\nsources: {}\nname: x\n",
        "schema_version: 1\nname: !!python/object:os.system x\n",
        "{[1, 2]: 3}",
        "schema_version: 1\n? {a: b}\n: c\n",
        "schema_version: 1\n1: 2\n",
        "a: 1\n---\nb: 2\n",
        "\x00",
        "schema_version: [1]\n",
        "schema_version: true\n",
        "schema_version: 1\nname: 2020-01-01\nsources: 3\nengines: 4\nmemory: 5\n",
    ],
)
def test_whatever_the_file_holds_the_answer_is_a_message(text: str, tmp_path: Path) -> None:
    file = tmp_path / "chip.yaml"
    file.write_text(text, encoding="utf-8")
    remarks = check_file(file).remarks
    assert remarks
    assert all(r.severity == "error" for r in remarks)
