"""Data files: the numbers of a column, whole or in chunks, or an error in one sentence."""

from __future__ import annotations

from decimal import Decimal
from mmap import mmap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import parquet

from scenarios.data_files import CHUNK, column_chunks, read, read_column
from scenarios.errors import UserError
from scenarios.families import ExponentialFamily, family
from scenarios.sample import Sample
from scenarios.scenario import build
from tests.conftest import EXPONENTIAL, mixture


def write(path: Path, group: int | None = None, **columns: object) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=group)
    return path


@pytest.mark.parametrize("group", [1000, 77_777, None])
@pytest.mark.parametrize("name", EXPONENTIAL)
def test_a_column_streams_to_the_sketch_of_the_same_numbers(
    name: str, group: int | None, tmp_path: Path
) -> None:
    chosen = family(name)
    assert isinstance(chosen, ExponentialFamily)
    x = mixture(name).sample(300_000, 1)
    path = write(tmp_path / "x.parquet", group, row=np.arange(x.size), x=x, z=-x)
    whole = Sample.stream([x], chosen, 512)
    streamed = Sample.stream(column_chunks(path, "x"), chosen, 512)
    assert_array_equal(streamed.rows, whole.rows)
    assert_array_equal(streamed.counts, whole.counts)
    assert_array_equal(streamed.observations, whole.observations)
    assert streamed.log_base == whole.log_base
    assert_array_equal(read_column(path, "x"), x)


def test_a_large_row_group_is_read_in_parts(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=2_000_000)  # 16 MB that don't compress
    path = write(tmp_path / "x.parquet", x.size, x=x)
    assert parquet.ParquetFile(path).num_row_groups == 1
    before, allocated, sizes = pa.total_allocated_bytes(), [], []
    for chunk in column_chunks(path):
        allocated.append(pa.total_allocated_bytes() - before)
        sizes.append(chunk.size)
    assert sum(sizes) == x.size
    assert max(sizes) <= CHUNK
    assert CHUNK * 8 <= max(allocated) < x.nbytes / 2


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, 250], pa.uint8()),
        pa.array([-5, 2**53, 0], pa.int64()),
        pa.array([0.5, 0.1, 3.0], pa.float32()),
        pa.array([Decimal("0.25"), Decimal("-1.50"), Decimal("7.00")]),
    ],
)
def test_numbers_of_any_kind_are_float64(values: pa.Array, tmp_path: Path) -> None:
    (chunk,) = column_chunks(write(tmp_path / "x.parquet", x=values))
    assert chunk.dtype == np.float64
    assert chunk.tolist() == [float(value.as_py()) for value in values]


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"second": [1.0], "metre": [1.0]}, "seconds", "mean 'second'.*second, metre"),
        ({"second": [1.0], "metre": [1.0]}, "zzz", "'zzz': known: second, metre"),
        ({"x": ["1", "2"], "y": [1.0, 2.0]}, "x", "'x' of .*x.parquet is not .* string; .*: y$"),
        ({"x": [True, False]}, None, "bool; those with numbers are: none"),
        ({"x": [{"a": 1.0}]}, "x", "struct"),
        ({"x": [2**53 + 1]}, "x", "9007199254740993"),
        ({}, None, "no columns"),
        ({}, "x", "no columns"),
    ],
)
def test_wrong_columns_are_one_sentence(
    columns: dict, column: str | None, message: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "x.parquet", **columns)
    with pytest.raises(UserError, match=message):
        list(column_chunks(path, column))
    with pytest.raises(UserError, match=message):
        read_column(path, column)


def test_a_name_that_two_columns_have(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([1.0]), pa.array([2.0])], names=["x", "x"])
    parquet.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(UserError, match="several columns 'x'"):
        column_chunks(tmp_path / "x.parquet", "x")


@pytest.mark.parametrize("kind", [pa.float64(), pa.int32()])
def test_empty_values_are_counted_and_none_is_left_out(kind: pa.DataType, tmp_path: Path) -> None:
    values: list[float | None] = [1.0] * (3 * CHUNK)
    for place in (CHUNK + 3, CHUNK + 4, 3 * CHUNK - 1):
        values[place] = None
    count = 3
    if pa.types.is_floating(kind):
        values[2 * CHUNK] = np.nan
        count = 4
    path = write(tmp_path / "x.parquet", x=pa.array(values, kind))
    sizes = []
    with pytest.raises(UserError, match=f"'x' .* {count} of {3 * CHUNK} values are empty"):
        sizes.extend(chunk.size for chunk in column_chunks(path, "x"))
    assert sum(sizes) <= CHUNK + 3  # nothing after the first of them
    with pytest.raises(UserError, match=rf"{count} empty \(row {CHUNK + 4}: nan, "):
        read_column(path, "x")


def test_what_is_no_parquet_file(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", x=np.random.default_rng(0).normal(size=10_000))
    (tmp_path / "text.parquet").write_text("x\n1\n2\n")
    content = bytearray(path.read_bytes())
    (tmp_path / "cut.parquet").write_bytes(content[: len(content) // 2])
    for name in ("text", "cut"):
        with pytest.raises(UserError, match=rf"{name}.parquet can't be read as Parquet"):
            column_chunks(tmp_path / f"{name}.parquet")
    with pytest.raises(UserError, match=r"no file .*none.parquet"):
        column_chunks(tmp_path / "none.parquet")
    # A good footer, and a first page that is not one.
    column = parquet.ParquetFile(path).metadata.row_group(0).column(0)
    begin = column.dictionary_page_offset or column.data_page_offset
    content[begin : begin + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x.parquet can't be read as Parquet"):
        list(column_chunks(path))


def test_no_rows_are_no_observations(tmp_path: Path) -> None:
    path = write(tmp_path / "x.parquet", x=np.array([], dtype=float))
    assert read_column(path).size == 0
    with pytest.raises(UserError, match="no observations"):
        Sample.stream(column_chunks(path), family("normal"))  # type: ignore[arg-type]


def test_a_scenario_may_name_a_column_of_a_parquet_file(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet", a=[1, 2, 3], b=[2000, 4000, 6000], c=[1.0, None, 2.0])

    def observations(**data: object) -> list[float]:
        content = {"title": "t", "family": "normal", "data": {"file": "x.parquet", **data}}
        return build("mine", content, tmp_path).observations(0, 0).tolist()

    assert observations(column="b", divide_by=1000.0) == [2.0, 4.0, 6.0]
    with pytest.raises(UserError, match="several columns of"):
        observations()
    for column, message in [("bb", "did you mean 'b'"), ("c", r"1 empty \(row 2: nan\)")]:
        with pytest.raises(UserError, match=f"scenario 'mine': .*{message}"):
            observations(column=column)


@pytest.mark.parametrize(
    ("text", "column", "lines"),
    [
        ("x\n1\n\nn/a\n2\n\n", "x", {3: "''", 4: "'n/a'"}),
        ("x\n1\nNA\n", "x", {3: "'NA'"}),
        ("\n\n1\n2\nNA\n", "", {5: "'NA'"}),
        ("NA\n1\n2\n", "", {1: "'NA'"}),
        ("label;x\na;1\nb\n", "x", {3: "''"}),
    ],
)
def test_missing_cells_of_a_text_are_named_with_their_lines(
    text: str, column: str, lines: dict[int, str], tmp_path: Path
) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read(str(path), column or None)
    assert all(f"line {line}: {cell}" in str(error.value) for line, cell in lines.items())
    data = read(str(path), column or None, drop_missing=True)
    assert np.isfinite(data.x).all()
    assert data.column == column
    assert data.dropped.startswith(f"{len(lines)} of {data.x.size + len(lines)} values")


def test_bad_values_of_a_binary_file_are_named_with_their_rows(tmp_path: Path) -> None:
    x = np.array([1.0, np.nan, 3.0, np.inf])
    np.save(tmp_path / "x.npy", x)
    write(tmp_path / "x.parquet", x=x)
    for name in ("x.npy", "x.parquet"):
        with pytest.raises(UserError, match=r"1 empty and 1 infinite .*row 2: nan, row 4: inf"):
            read(str(tmp_path / name))
        with pytest.raises(UserError, match=r"1 can't be fitted, 1 infinite \(row 4: inf\)"):
            read(str(tmp_path / name), drop_missing=True)
    np.save(tmp_path / "x.npy", x[:3])
    write(tmp_path / "x.parquet", x=x[:3])
    for name in ("x.npy", "x.parquet"):
        data = read(str(tmp_path / name), drop_missing=True)
        assert data.x.tolist() == [1.0, 3.0]
        assert data.dropped == "1 of 3 values: 1 empty"


def test_a_mapped_array_is_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(10.0))
    np.save(tmp_path / "xy.npy", np.arange(10.0).reshape(5, 2))
    owner = read(str(tmp_path / "x.npy")).x
    while isinstance(owner, np.ndarray):
        owner = owner.base
    assert isinstance(owner, mmap)
    assert read(str(tmp_path / "xy.npy"), "2").x.tolist() == [1.0, 3.0, 5.0, 7.0, 9.0]
    assert read_column(tmp_path / "xy.npy", "1").tolist() == [0.0, 2.0, 4.0, 6.0, 8.0]
    with pytest.raises(UserError, match=r"several columns .* hold numbers"):
        read(str(tmp_path / "xy.npy"))


def test_columns_of_a_text_that_are_not_one(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for text, message in [
        ("x,x\n1,2\n", "several columns 'x'"),
        ("x,y\na,b\n", "no column .* has numbers"),
        ("x\n1\n2,3\n", "can't be read as a table"),
    ]:
        path.write_text(text)
        with pytest.raises(UserError, match=message):
            read(str(path), "x" if message.endswith("'x'") else None)
