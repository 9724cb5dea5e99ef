"""Bad inputs of `mixturebench fit`: each ends with 2 and one sentence, and writes nothing."""

from __future__ import annotations

import gzip
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.conftest import mixturebench

NUMBERS = "".join(f"{value!r}\n" for value in np.random.default_rng(0).normal(size=500).tolist())
"""Text of a single column, longer than a block of gzip."""
JUNK = np.random.default_rng(0).bytes(5000)

# The file's name, its content, further arguments, and words of the sentence.
TEXTS: list[tuple[str, str | bytes, list[str], list[str]]] = [
    ("empty.csv", "", [], ["empty.csv is empty"]),
    ("blank.csv", " \n\n\n", [], ["is empty"]),
    ("heading.csv", "x\n", [], ["holds no values", "at least two"]),
    ("words.csv", "hello\nworld\nagain\n", [], ["2 no numbers (line 2: 'world'"]),
    ("one.csv", "x\n5\n", [], ["holds one value", "at least two"]),
    ("missing.csv", "x\nNA\n\n.\n", [], ["2 empty and 1 no numbers", "line 4: '.'"]),
    ("missing.csv", "x\nNA\n\nNA\n", ["--drop-missing"], ["holds no values"]),
    ("junk.csv", JUNK, [], ["is not text in UTF-8"]),
    ("junk.parquet", JUNK, [], ["can't be read as Parquet"]),
    ("junk.npy", JUNK, [], ["can't be read as a .npy file"]),
    ("junk.csv.gz", JUNK, [], ["is not text in UTF-8"]),
    ("empty.npy", b"", [], ["can't be read as a .npy file"]),
    ("column.csv", "abc,b\n1,2\n3,4\n", ["--column", "abd"], ["did you mean 'abc'"]),
    ("twice.csv", "x,x\n1,2\n3,4\n", ["--column", "x"], ["several columns 'x'", "rename"]),
    ("many.csv", "a,b\n1,2\n3,4\n", [], ["--column (a, b)"]),
    ("comma.csv", 'x\n"1,234"\n5\n', [], ["ambiguous: '1,234' (line 2)", "1.234 with"]),
    ("pair.csv", "1,5\n2,5\n", [], ["not decimal ('1,5' in line 1)"]),
    ("mixed.csv", 'x\n"1,234.5"\n"1.234,5"\n', [], ["'1,234.5' (line 2) and '1.234,5' (line 3)"]),
    ("quoted.csv", 'x,n\n1,"a\nb"\nbad,c\n3,d\n', [], ["line 4: 'bad'"]),
    ("open.csv", 'x,n\n1,"a\n2,b\n', [], ["line 2 can't be split", "quotation marks"]),
    ("nul.csv", b"x\n1\n2\x00\n3\n", [], ["is not text in UTF-8 (it holds NUL bytes)"]),
    ("wide.csv", "x\n1\n2\n".encode("utf-16"), [], ["is not text in UTF-8", "save it as UTF-8"]),
    ("wide.csv", "x\n1\n2\n".encode("utf-16-le"), [], ["is not text in UTF-8", "NUL bytes"]),
    ("latin.csv", "Größe\n1\n2\n".encode("latin-1"), [], ["is not text in UTF-8"]),
    ("cut.csv.gz", gzip.compress(NUMBERS.encode())[:-2000], [], ["ended before", "whole"]),
    ("bent.csv.gz", gzip.compress(b"x\n1\n")[:12] + JUNK, [], ["bent.csv.gz can't be read"]),
    ("infinite.csv", "x\n1\ninf\n-Infinity\n", [], ["2 infinite (line 3: 'inf'"]),
    ("infinite.csv", "x\n1\n2\n1e999\n", ["--drop-missing"], ["1 infinite (line 4: '1e999')"]),
    ("words.csv", "x\n1\n2\nn.d.\n", ["--drop-missing"], ["1 no numbers (line 4: 'n.d.')"]),
    ("dates.csv", "x\n2020-01-01\n2020-01-02\n", [], ["2 no numbers (line 2: '2020-01-01'"]),
    ("times.csv", "x\n12:30\n12:45\n", [], ["2 no numbers"]),
    ("truth.csv", "x\nTrue\nFalse\n", [], ["2 no numbers (line 2: 'True'"]),
    ("labels.csv", "x\n9007199254740993\n5\n", [], ["more than 53 bits", "line 2"]),
    ("percent.csv", "x\n50%\n60%\n", [], ["2 no numbers (line 2: '50%'"]),
    ("headless.csv", "5.1,setosa\n4.9,setosa\n", [], ["heading or data", "'5.1'", "--column 1"]),
    ("spaces.csv", "1.5 2.5\n3.5 4.5\n", [], ["separate columns by commas"]),
    ("ragged.csv", "x,n\n1,a\n2,b,c\n", [], ["line 3 has 3 cells, and line 1 has 2"]),
    ("text.xlsx", "x\n1\n2\n", [], ["can't be read as an Excel workbook"]),
    ("old.xls", b"\xd0\xcf\x11\xe0" + JUNK, [], ["is not text in UTF-8", ".xlsx"]),
]  # fmt: skip


def refusal(folder: Path, source: str, *arguments: str) -> str:
    """The one sentence with which `fit` refuses; nothing else is printed or written."""
    before = sorted(path.name for path in folder.iterdir())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        done = mixturebench("fit", source, *arguments, folder=folder)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("mixturebench: ")
    assert done.stderr.rstrip("\n").count("\n") == 0
    assert sorted(path.name for path in folder.iterdir()) == before
    return done.stderr


@pytest.mark.parametrize(("name", "content", "arguments", "words"), TEXTS)
def test_a_bad_file_is_refused_in_one_sentence(
    name: str, content: str | bytes, arguments: list[str], words: list[str], tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    sentence = refusal(tmp_path, name, *arguments)
    assert name in sentence
    for word in words:
        assert word in sentence


def test_bad_binary_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.array([1, 2**53 + 1]))
    np.save(tmp_path / "truth.npy", np.array([True, False]))
    np.save(tmp_path / "infinite.npy", np.array([1.0, np.inf]))
    np.savez(tmp_path / "several.npz", a=np.arange(3.0))
    (tmp_path / "several.npz").rename(tmp_path / "several.npy")
    np.save(tmp_path / "x.npy", np.arange(1000.0))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "x.npy").read_bytes()[:500])
    for name, values in {
        "labels": pa.array([1, 2**53 + 1]), "truth": pa.array([True, False]),
        "dates": pa.array(np.array(["2020-01-01"], "M8[D]")), "empty": pa.array([], pa.float64()),
        "nan": pa.array([1.0, float("nan"), None]),
    }.items():  # fmt: skip
        parquet.write_table(pa.table({"x": values}), tmp_path / f"{name}.parquet")
    for name, words in {
        "labels.npy": "9007199254740993 (row 2), an integer of more than 53 bits",
        "truth.npy": "holds bool, and not numbers",
        "infinite.npy": "1 infinite (row 2: inf)",
        "several.npy": "an archive of several arrays",
        "cut.npy": "can't be read as a .npy file",
        "labels.parquet": "9007199254740993 (row 2), an integer of more than 53 bits",
        "truth.parquet": "is not all numbers, but bool",
        "dates.parquet": "is not all numbers, but date32",
        "empty.parquet": "holds no values",
        "nan.parquet": "2 empty (row 2: nan, row 3: nan)",
    }.items():
        assert words in refusal(tmp_path, name), name


def test_bad_workbooks_are_refused_in_one_sentence(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="workbooks need the extra 'xlsx'")
    book = openpyxl.Workbook()
    book.save(tmp_path / "empty.xlsx")
    for row in [("x", "y"), ("a", True), ("b", False)]:
        book.active.append(row)
    book.save(tmp_path / "words.xlsx")
    content = (tmp_path / "words.xlsx").read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(content[: len(content) // 2])
    bent = bytearray(content)
    bent[len(bent) // 3 : len(bent) // 3 + 200] = b"\xff" * 200
    (tmp_path / "bent.xlsx").write_bytes(bent)
    for name, words in {
        "empty.xlsx": "empty.xlsx is empty",
        "words.xlsx": "no column of words.xlsx has numbers",
        "cut.xlsx": "can't be read as an Excel workbook",
        "bent.xlsx": "can't be read as an Excel workbook",
    }.items():
        assert words in refusal(tmp_path, name)


def test_what_is_no_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "folder.csv").mkdir()
    assert "folder.csv is a folder" in refusal(tmp_path, "folder.csv")
    assert "there is no file none.csv" in refusal(tmp_path, "none.csv")
    assert "can't be read" in refusal(tmp_path, "x" * 300)
    # A file that exists and can't be read, whoever asks.
    if Path("/proc/self/mem").exists():
        assert "/proc/self/mem can't be read" in refusal(tmp_path, "/proc/self/mem")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--groups", "x.csv"], "--groups: x.csv is also the data; name another place"),
        (["--out", "x.csv"], "--out: x.csv is also the data"),
        (["--groups", "a", "--out", "a"], "--out: a is also --groups"),
        (["--figures", "x.csv"], "--figures: x.csv is also the data"),
        (["--figures", "b"], "--figures: b is a file; name a folder"),
        (["--groups", "folder"], "--groups: folder is a folder; name a file in it"),
    ],
)
def test_no_output_replaces_the_data_or_another(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "x.csv").write_text("x\n1\n2\n9\n1.5\n9.5\n8.5\n")
    (tmp_path / "b").write_text("")
    (tmp_path / "folder").mkdir()
    assert words in refusal(tmp_path, "x.csv", *arguments)
    assert (tmp_path / "x.csv").read_text().startswith("x\n1\n")
