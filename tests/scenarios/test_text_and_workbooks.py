"""Text as people export it: read right, or refused with the value, the line and the remedy."""

from __future__ import annotations

import gzip
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import parquet

from benchmarks.runner.choices import Choices
from scenarios import text_tables
from scenarios.data_files import as_data, read, read_column
from scenarios.errors import UserError
from scenarios.scenario import build
from tests.conftest import environment

AWKWARD: dict[str, tuple[str | bytes, list[float] | str]] = {
    "decimal commas, titled": ("x\n1,5\n2,5\n3,7\n", "can't be read as a table"),
    "decimal commas": ("1,5\n2,5\n3,7\n", "several columns"),
    "decimal commas, semicolons": ("x;y\n1,5;a\n3,7;b\n", [1.5, 3.7]),
    "thousands": ("x\n1,234.5\n2,345.6\n", "can't be read as a table"),
    "quoted thousands": ('x\n"1,234.5"\n"2,345.6"\n', [1234.5, 2345.6]),
    "no header": ("1.5\n2.5\n3.7\n", [1.5, 2.5, 3.7]),
    "no header, two columns": ("1.5,1\n2.5,2\n3.7,3\n", "several columns"),
    "blank lines": ("x\n\n1.5\n\nbad\n2.5\n", r"line 2: '', line 4: '', line 5: 'bad'"),
    "blank lines of a table": ("x,n\n\n1.5,a\n\nbad,b\n2.5,c\n", r"\(line 5: 'bad'\)"),
    "a break in a cell": ('x,n\n1.5,"a\nb"\n2.5,c\nbad,d\n', r"\(line 5: 'bad'\)"),
    "a comma at the end": ("x,n,\n1.5,a,\n2.5,b,\n", [1.5, 2.5]),
    "a row too long": ("x,n\n1,a\n1,b,c\n", "can't be read as a table"),
    "a row too short": ("n,x\na,1\nb\nc,2\n", r"1 empty \(line 3: ''\)"),
    "a byte order mark": ("\ufeffx\n1.5\n2.5\n", [1.5, 2.5]),
    "UTF-16": ("x\n1.5\n2.5\n".encode("utf-16"), "is not text in UTF-8"),
    "Windows": ("x\r\n1.5\r\n2.5\r\n", [1.5, 2.5]),
    "tabs": ("x\tn\n1.5\ta\n2.5\tb\n", [1.5, 2.5]),
    "a comment": ("# by hand\nx\n1.5\n2.5\n", r"\(line 2: 'x'\)"),
    "missing": ("x\n1.5\nNA\n2.5\n", r"1 empty \(line 3: 'NA'\)"),
    "infinite": ("x\n1.5\ninf\n", r"1 infinite \(line 3: 'inf'\)"),
    "underscores": ("x\n1_000\n2_000\n", "2 no numbers"),
    "percent": ("x\n50%\n60%\n", "2 no numbers"),
    "dates": ("x\n2020-01-01\n2020-01-02\n", "2 no numbers"),
    "truth values": ("x\nTrue\nFalse\n", "2 no numbers"),
    "spaces": ("x,  n\n 1.5 , a\n 2.5 , b\n", [1.5, 2.5]),
    "spaces for commas": ("1.5 2.5\n3.5 4.5\n", "separate columns by commas"),
}


@pytest.mark.parametrize("kind", AWKWARD)
def test_an_awkward_file_is_read_right_or_refused_by_every_reader(
    kind: str, tmp_path: Path
) -> None:
    content, expected = AWKWARD[kind]
    path = tmp_path / "x.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    real = {"title": "t", "family": "normal", "data": {"file": "x.csv"}}
    scenario = build("mine", real, tmp_path)
    for reader in (lambda: read(str(path)).x, lambda: scenario.observations(0, 0)):
        if isinstance(expected, list):
            assert reader().tolist() == expected
        else:
            with pytest.raises(UserError, match=expected):
                reader()


NOTATIONS: dict[str, tuple[list[str], list[float] | str]] = {
    "points": (["1.5", "-2", "3e2", ".5", "7."], [1.5, -2.0, 300.0, 0.5, 7.0]),
    "three decimals": (["1.234", "12.345", "0.123"], [1.234, 12.345, 0.123]),
    "three decimals alone": (["1.234", "12.345"], [1.234, 12.345]),
    "commas": (["1,5", "-2,25", "3"], [1.5, -2.25, 3.0]),
    "commas and exponents": (["1,5e3", "2E-1"], [1500.0, 0.2]),
    "comma thousands": (["1,234.5", "12", "-1,234,567"], [1234.5, 12.0, -1234567.0]),
    "comma thousands, whole": (["1,234", "1,234,567"], [1234.0, 1234567.0]),
    "comma thousands beside points": (["1,234", "0.5"], [1234.0, 0.5]),
    "point thousands": (["1.234,5", "12", "1.234.567"], [1234.5, 12.0, 1234567.0]),
    "point thousands, whole": (["1.234", "1.234.567"], [1234.0, 1234567.0]),
    "decimal commas of three digits": (["1,234", "0,5"], [1.234, 0.5]),
    "a zero before the comma": (["0,123", "0,456"], [0.123, 0.456]),
    "spaces": (["1 234", "12 345 678", "9"], [1234.0, 12345678.0, 9.0]),
    "spaces and commas": (["1 234,5", "0,25"], [1234.5, 0.25]),
    "narrow spaces": (["1\u202f234,5", "1\u00a0234"], [1234.5, 1234.0]),
    "apostrophes": (["1'234.5", "1’000"], [1234.5, 1000.0]),
    "one comma": (["1,234", "5"], r"'1,234' \(line 2\) is 1234 with commas .* and 1\.234 with"),
    "one comma, late": (["1"] * 3000 + ["2,500"], r"'2,500' \(line 3002\) is 2500 .* 2\.5 with"),
    "both": (["1,234.5", "1.234,5"], r"notation, '1,234.5' \(line 2\) and '1.234,5' \(line 3\)"),
    "one of a thousand": (["1.5"] * 1500 + ["1,5"], r"'1.5' \(line 2\) and '1,5' \(line 1502\)"),
    "groups of two": (["1,00,000", "1.5"], r"1 no numbers \(line 2: '1,00,000'\)"),
    "signs inside": (["1-2", "3"], "1 no numbers"),
    "other digits": (["١٢", "3"], "1 no numbers"),
    "hexadecimal": (["0x10", "3"], "1 no numbers"),
    "labels": (["9007199254740993", "3"], r"1 integers of more than 53 bits.* \(line 2: '900719"),
    "exact and long": (["9007199254740994", "1e300"], [9007199254740994.0, 1e300]),
    "too large": (["1e400", "3"], r"1 infinite \(line 2: '1e400'\)"),
}


@pytest.mark.parametrize("kind", NOTATIONS)
def test_a_column_has_one_notation(kind: str, tmp_path: Path) -> None:
    cells, expected = NOTATIONS[kind]
    files = {
        "semicolons.csv": "\n".join(["x;label", *(f"{cell};a" for cell in cells)]),
        "tabs.tsv": "\n".join(["x\tlabel", *(f"{cell}\ta" for cell in cells)]),
        "quoted.csv": "\r\n".join(["x,label", *(f'"{cell}",a' for cell in cells), ""]),
        "single.tsv": "\n".join(["x", *cells, ""]),
    }
    for name, text in files.items():
        (tmp_path / name).write_bytes(text.encode())
        if isinstance(expected, list):
            assert read(str(tmp_path / name), "x").x.tolist() == expected, name
        else:
            for drop in (False, True):  # what can't be read is not missing
                with pytest.raises(UserError, match=expected):
                    read(str(tmp_path / name), "x", drop)


def test_points_are_thousands_only_where_the_file_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("x;y\n1.234;5\n2.345;7\n")
    assert read(str(path), "x").x.tolist() == [1.234, 2.345]
    path.write_text("x;y\n1.234;5,5\n2.345;7\n")
    with pytest.raises(UserError, match=r"ambiguous: '1.234' \(line 2\) is 1.234 with .* and 1234"):
        read(str(path), "x")
    path.write_text("x;y\n1.234;5,5\n2.34;7\n")
    assert read(str(path), "x").x.tolist() == [1.234, 2.34]


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("5.1,setosa\n4.9,setosa\n", None, r"line 1 .* may be a heading or data, .*'5.1'"),
        ("5.1,setosa\n4.9,setosa\n", "1", [5.1, 4.9]),
        ("5.1,setosa\n4.9,setosa\n", "5.1", [4.9]),
        ("land,1990\na,4\nb,5\n", "1990", [4.0, 5.0]),
        ("<0.5\n1.2\n3.4\n", None, "line 1 .* may be a heading or data"),
        ("2nd peak\n1.2\n3.4\n", "2nd peak", [1.2, 3.4]),
        ("1;2,5\n2;3,5\n", "2", [2.5, 3.5]),
        ("NA;2,5\n2;3,5\n", "2", [2.5, 3.5]),
        (",x\n1,0.5\n2,0.7\n", None, [0.5, 0.7]),
        ('"","x"\n"1",0.5\n"2",0.7\n', None, [0.5, 0.7]),
        ("x,y\nNA,a\n,b\n", "x", "2 empty"),
        ("x,y,z\nNA,a,1\n,b,2\n", "x", "'x' .* holds no numbers; those that do: z"),
    ],
)
def test_a_first_row_with_numbers_is_a_heading_only_if_it_is_named(
    text: str, column: str | None, expected: list[float] | str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    if isinstance(expected, list):
        assert read(str(path), column).x.tolist() == expected
    else:
        with pytest.raises(UserError, match=expected):
            read(str(path), column)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b;x\nc,d;1\ne,f;2\n", [1.0, 2.0]),
        ("tags,x\na;b,3\nc;d,4\n", [3.0, 4.0]),
        ("name;code,x\na;1,3\nb;2,4\n", "may be separated by commas or semicolons"),
        ("x;n\n1;a;b\n1;a\n", "line 2 has 3 cells, and line 1 has 2, separated by semicolons"),
        ('x,n\n1,"a\n2,b\n3,c\n', r"row that begins in line 2 can't be split"),
        ("x,n\n" + "1,a\n" * 2000 + '1,"a\n2,b\n', r"row that begins in line 2002 can't be split"),
        ("x\n" + "7" * (1 << 20) + "\n", "line 2 .* has 1,048,576 characters or more"),
        ("\n" * 5000 + "x\n1\n2\n", [1.0, 2.0]),
        ("x\r1\r2\r", [1.0, 2.0]),
        ("x\n1\n2", [1.0, 2.0]),
        ("x\n1\n2\n   \n\n", [1.0, 2.0]),
        ('x\n1\n""\n', r"1 empty \(line 3: ''\)"),
        ("x\n1,5\n2\n", "line 2 has 2 cells, and line 1 has 1, .* if commas are decimal"),
        ("x y\n1 234\n2 345\n", "every line .* has spaces, as in '2 345'"),
        ("1 234\n2 345\n", "every line .* has spaces, as in '2 345'"),
        ("x\n1 234\n2 345\n", [1234.0, 2345.0]),
    ],
)
def test_cells_are_separated_as_the_first_lines_say(
    text: str, expected: list[float] | str, tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode())
    if isinstance(expected, list):
        assert read(str(path)).x.tolist() == expected
    else:
        with pytest.raises(UserError, match=expected):
            read(str(path))


# Cells, separators and ends of lines that the two ways to read text must treat alike.
PARTS = [
    "1.5", "2", "-3e2", "NA", "nan", "-nan", "", '"', '""', '"4.5"', "inf", "1e400", "foo", "a",
    "9007199254740993", "1,5", "1.234", " ", "  7 ", "\t", ";", ",", "\n", "\r\n", "\r", "+1", ".5",
    "1_0", "0x1", "é", "Infinity", "1 234", '"a\nb"', '"1.5"x', "nan(ind)", "N/A",
]  # fmt: skip


def random_text(generator: random.Random) -> str:
    if generator.random() < 0.3:
        return "".join(generator.choice([*PARTS, ",", ",", ";"]) for _ in range(12))
    width, separator = generator.choice([1, 1, 2, 3]), generator.choice(",,;\t")
    pool = ["1.5", "2.25", "-3", "4e1", *generator.choices(PARTS, k=generator.randint(0, 2))]
    rows = [separator.join(generator.choices(pool, k=width)) for _ in range(5)]
    if generator.random() < 0.6:
        rows.insert(0, separator.join("xyz"[:width]))
    return generator.choice(["\n", "\r\n", "\r"]).join(rows) + generator.choice(["", "\n", "\n\n"])


def test_the_fast_and_the_careful_way_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, path, answers = random.Random(0), tmp_path / "x.csv", [0, 0]
    fast = text_tables._fast
    for _ in range(400):
        text, column = random_text(generator), generator.choice([None, "x", "1", "2"])
        path.write_bytes(text.encode())
        outcomes = []
        for way in (fast, lambda *given: None):
            monkeypatch.setattr(text_tables, "_fast", way)
            for drop in (False, True):
                try:
                    data = read(str(path), column, drop)
                    outcomes.append(f"{data.x.tolist()} {data.dropped} {data.column}")
                except UserError as error:
                    outcomes.append(str(error))
        assert outcomes[:2] == outcomes[2:], repr(text)
        answers[outcomes[0].startswith("[")] += 1
    assert min(answers) > 40


def test_every_form_of_file_and_every_reader_has_the_same_numbers(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl", reason="workbooks need the extra 'xlsx'")
    generator = np.random.default_rng(0)
    x = generator.normal(size=300).round(9) * 10.0 ** generator.integers(-3, 4, 300)
    x = np.array([float(f"{value:.12g}") for value in x])  # what openpyxl writes exactly
    names = ["a"] * x.size
    frame = pd.DataFrame({"x": x, "name": names})
    text = frame.to_csv(index=False)
    commas = frame.to_csv(index=False, sep=";", decimal=",")
    for name, content in {
        "x.csv": text.encode(), "x.tsv": text.replace(",", "\t").encode(),
        "x.txt": text.encode(), "x.csv.gz": gzip.compress(text.encode()),
        "x.tsv.gz": gzip.compress(text.replace(",", "\t").encode()), "packed.csv":
        gzip.compress(text.encode()), "mark.csv": text.encode("utf-8-sig"),
        "commas.csv": commas.encode(), "commas.csv.gz": gzip.compress(commas.encode()),
        "one.csv": "\n".join(map(repr, x.tolist())).encode(),
        "quoted.csv": frame.to_csv(index=False, quoting=1).encode(),
    }.items():  # fmt: skip
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "x.npy", x)
    parquet.write_table(pa.table({"x": x, "name": names}), tmp_path / "x.parquet")
    book = openpyxl.Workbook()
    for row in [("x", "name"), *zip(x.tolist(), names, strict=True)]:
        book.active.append(row)
    book.save(tmp_path / "x.xlsx")
    for path in sorted(tmp_path.iterdir()):
        real = {"title": "t", "family": "normal", "data": {"file": path.name}}
        run = Choices.of({"data": str(path), "family": "normal"}).plan()
        for values in (
            read(str(path)).x,
            read_column(path),
            as_data(path).x,
            build("mine", real, tmp_path).observations(0, 0),
            run.scenarios[0].observations(0, 0),
        ):
            assert_array_equal(values, x, err_msg=path.name)
    for given in (x, x.tolist(), frame, frame["x"], list(map(repr, x.tolist())), x[:, None]):
        assert_array_equal(as_data(given).x, x)


def test_standard_input_may_be_packed() -> None:
    code = "from scenarios.data_files import read; print(read('-').x.tolist())"
    for content in (b"x\n1.5\n2\n", gzip.compress(b"x\n1.5\n2\n")):
        done = subprocess.run(
            [sys.executable, "-c", code], input=content, capture_output=True, check=True,
            env=environment(),
        )  # fmt: skip
        assert done.stdout == b"[1.5, 2.0]\n"


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (np.array([1, 2, 2**53 + 1]), r"9007199254740993 \(row 3\), an integer of more than 53"),
        ([1.0, 10**400], r"1 infinite \(row 2: "),
        ([1.0, 2**70 + 1], r"1 integers of more than 53 bits.*\(row 2: "),
        (np.array([1.0, 1j]), "holds complex128, and not numbers"),
        (np.array([True, False]), "holds bool, and not numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "holds datetime64"),
        (pd.Series([1.5, None, "b"], name="c"), r"'c' of the data .* 1 empty and 1 no numbers"),
        (["1,234", "5"], r"'1,234' \(row 1\) is 1234"),
        (["1,5", " 2 ", "3,25"], [1.5, 2.0, 3.25]),
        (pd.Series([1, 2, 3], dtype="Int64"), [1.0, 2.0, 3.0]),
        (pd.Series([1, None, 3], dtype="Int64"), r"1 empty \(row 2: nan\)"),
        ([[1, 2], [3]], "holds no numbers"),
        ([[1, 2], [3, 4]], r"shape \(2, 2\)"),
        (np.array([np.nan, np.nan]), "2 empty"),
    ],
)
def test_arrays_are_read_right_or_refused_without_a_warning(
    x: object, expected: list[float] | str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if isinstance(expected, list):
            assert as_data(x).x.tolist() == expected  # type: ignore[arg-type]
        else:
            with pytest.raises(UserError, match=expected):
                as_data(x)  # type: ignore[arg-type]


def test_numbers_beyond_float64_are_infinite_and_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if np.finfo(np.longdouble).maxexp > 1024:
            with pytest.raises(UserError, match="1 infinite"):
                as_data(np.array([1.0, np.longdouble("1e4000")]))
        (tmp_path / "x.csv").write_text("1e10\n2e10\n")
        real = {"title": "t", "family": "normal", "data": {"file": "x.csv", "divide_by": 1e-300}}
        with pytest.raises(UserError, match="divide_by = 1e-300 makes values infinite"):
            build("mine", real, tmp_path).observations(0, 0)


def workbook(path: Path, *sheets: list[list[object]]) -> str:
    openpyxl = pytest.importorskip("openpyxl", reason="workbooks need the extra 'xlsx'")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"s{number}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return str(path)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["x", "n"], [1.5, "a"], [2, "b"]], [1.5, 2.0]),
        ([[], ["x"], [1.5], ["2,5"], ["1.234,5"]], [1.5, 2.5, 1234.5]),
        ([[1.5], [2.5]], [1.5, 2.5]),
        ([["x"], [1.5], [None], [2.5], [None]], r"1 empty \(row 3: 'None'\)"),
        ([["x"], [1.5], ["#N/A"], ["#DIV/0!"]], r"1 empty and 1 no numbers .*row 4: '#DIV/0!'"),
        ([["x"], [1.5], ["=A2*2"]], r"1 no numbers \(row 3: '=A2\*2'\)"),
        ([["x"], [1.5], [True]], r"1 no numbers \(row 3: 'True'\)"),
        (
            [["x"], [1.5], [pd.Timestamp("2020-01-01").to_pydatetime()]],
            r"no numbers \(row 3: '2020",
        ),
        ([["x"], ["1,234"], ["5"]], r"ambiguous: '1,234' \(row 2\)"),
        ([["x", "y"], ["a", "b"]], "no column .* has numbers"),
        ([], "is empty"),
    ],
)
def test_cells_of_a_workbook(
    rows: list[list[object]], expected: list[float] | str, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "x.xlsx", rows)
    if isinstance(expected, list):
        assert read(path).x.tolist() == expected
    else:
        with pytest.raises(UserError, match=expected):
            read(path)


def test_a_workbook_with_several_sheets_names_them(tmp_path: Path) -> None:
    path = workbook(tmp_path / "x.xlsx", [["x"], [1.5]], [], [["x"], [2.5], [3.5]])
    with pytest.raises(UserError, match=r"SHEET!COLUMN \(sheets: s1, s3\)"):
        read(path)
    assert read(path, "s3!x").x.tolist() == [2.5, 3.5]
    with pytest.raises(UserError, match="no sheet 's4'"):
        read(path, "s4!x")


def test_without_openpyxl_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = workbook(tmp_path / "x.xlsx", [["x"], [1.5]])
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(UserError, match=r"pip install 'mixturebench\[xlsx\]', or save"):
        read(path)


@pytest.mark.parametrize(("separator", "decimal"), [(",", "."), (";", ",")])
def test_a_long_text_is_read_in_seconds_and_in_little_memory(
    separator: str, decimal: str, tmp_path: Path
) -> None:
    rows, path = 500_000, tmp_path / "x.csv"
    x = np.random.default_rng(0).normal(size=rows)
    pd.DataFrame({"x": x, "n": "a"}).to_csv(path, index=False, sep=separator, decimal=decimal)
    code = f"""
import resource
from scenarios.data_files import read
from pyarrow import csv
before = resource.getrusage(resource.RUSAGE_SELF)
x = read({str(path)!r}).x
after = resource.getrusage(resource.RUSAGE_SELF)
print(x.size, x.sum(), after.ru_utime - before.ru_utime, after.ru_maxrss - before.ru_maxrss)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, env=environment()
    )
    size, total, seconds, memory = map(float, done.stdout.split())
    assert (size, total) == (rows, x.sum())
    assert seconds < 0.7  # the careful way takes longer
    assert memory < 40_000  # kB: the numbers twice, and blocks of the file
