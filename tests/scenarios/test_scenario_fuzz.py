"""Mutated scenario files are read, or refused in a sentence, in no time and no memory."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from scenarios.errors import UserError
from scenarios.scenario import CATALOGUE, load

TEXTS = [path.read_text("utf-8") for path in sorted(CATALOGUE.glob("*.toml"))]
REAL = 'title = "t"\nfamily = "normal"\n[data]\nfile = "x.csv"\ncolumn = "x"\ncomponents = 3\n'
VALUES = [
    "0", "1", "-1", "2", "1e400", "-1e400", "nan", "-inf", "inf", "5e-324", "1.7e308", "1e-300",
    "10000000000", "1000000001", "0x7fffffffffffffffffffffff", "9" * 400, "9" * 5000, "true",
    '""', '"x"', '"beta"', '"student_t"', '"nowhere"', '"/dev/zero"', '"/"', '"\\u0000"',
    f'"{"x" * 3000}"', '"""a\nb"""', "[]", "[1]", "{}", "{a = 1}", "[" * 3000, "[[" + "]]",
    "1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", "'", '"', "0.5.5", "[0.5, [1, [2]]]",
]  # fmt: skip
KEYS = ["n", "family", "title", "draw", "first_seed", "spread_floor", "source", "weight", "alpha",
        "components", "data", "[data]", "[[components]]", "[components]", "file", "rdataset",
        "column", "divide_by", "mu", "a.b.c", '"\\u0000"', "é"]  # fmt: skip

values = st.sampled_from(VALUES) | st.floats().map(str) | st.integers().map(str)
lines = st.sampled_from(KEYS).flatmap(
    lambda key: st.just(key) if "[" in key else values.map(lambda value: f"{key} = {value}")
) | st.text(max_size=20)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A file of the catalogue with a few of its lines changed, lost, repeated or added."""
    text = draw(st.sampled_from([*TEXTS, REAL])).splitlines()
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(text) - 1)) if text else 0
        kind = draw(st.sampled_from(["value", "value", "value", "drop", "repeat", "add"]))
        if kind == "value" and text and "=" in text[place]:
            text[place] = f"{text[place].partition('=')[0]}= {draw(values)}"
        elif kind == "drop" and text:
            del text[place]
        elif kind == "repeat" and text:
            text[place:place] = [text[place]] * draw(st.sampled_from([1, 2, 100]))
        else:
            text.insert(place, draw(lines))
    return "\n".join(text)


@contextmanager
def memory_for_one_more_gib() -> Iterator[None]:
    """Raise ``MemoryError`` where more than 1 GiB is asked for."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = pages * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def check_one(folder: Path, text: str) -> None:
    """Read a file: it is a scenario that can be written and read again, or a sentence."""
    path = folder / "mine.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        scenario = load(str(path))
    except UserError as error:
        assert "mine.toml" in str(error)
        assert len(str(error)) < 2000
        return
    assert 1 <= scenario.components <= 64
    assert scenario.specification.n is None or scenario.specification.n <= 10**9
    assert scenario.truth is None or scenario.truth.valid()
    assert len(scenario.digest()) == 64


def fuzzed(count: int) -> settings:
    return settings(
        max_examples=count, deadline=2000, database=None, derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )  # fmt: skip


@fuzzed(300)
@given(files())
@example("")
@example(f'title = "t"\nfamily = "beta"\nn = {"9" * 5000}\n')
@example("x = " + "[" * 3000)
@example('title = "t"\nfamily = "beta"\nn = 10\n' + "[[components]]\nweight = 0.01\n" * 100)
def test_a_mutated_file_is_read_or_refused(tmp_path: Path, text: str) -> None:
    with memory_for_one_more_gib():
        check_one(tmp_path, text)


@pytest.mark.slow
@fuzzed(25_000)
@given(files())
def test_25_000_mutated_files_are_read_or_refused(tmp_path: Path, text: str) -> None:
    with memory_for_one_more_gib():
        check_one(tmp_path, text)


def test_what_is_no_file_of_a_few_lines_is_refused(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.toml")  # opening it would wait for ever
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "large.toml").write_text("#" * 1_000_001)
    for name in ("pipe.toml", "folder.toml", "large.toml", "none.toml"):
        with pytest.raises(UserError, match=name):
            load(str(tmp_path / name))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("n = 1000000001", r"n=1000000001: it should be less than or equal to 1000000000"),
        ("n = 0", "n=0: it should be greater than or equal to 1"),
        (f'source = "{"x" * 1001}"', r"source=x{100}…: string should have at most 1000 char"),
        ("first_seed = -1", "first_seed=-1: it should be greater than or equal to 0"),
        ("spread_floor = nan", "spread_floor=nan: it should be"),
    ],
)
def test_a_message_names_file_key_value_and_rule(line: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    key = line.partition(" ")[0]
    kept = [text for text in TEXTS[2].splitlines() if not text.startswith(f"{key} ")]
    path.write_text("\n".join([line, *kept]))
    with pytest.raises(UserError, match=f"mine.toml.*{words}"):
        load(str(path))
