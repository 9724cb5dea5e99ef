"""The journal: cut or damaged at any byte, it loses at most the line that is damaged."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.files import PART
from benchmarks.runner import CONTRACT, SCHEMA
from benchmarks.runner.journal import (
    PACKED,
    RUN,
    SYNC_SECONDS,
    TORN,
    TRIALS,
    Journal,
    read,
    to_line,
    write_packed,
    write_run,
)
from scenarios.errors import UserError

RUN_CONTENT = {"schema": SCHEMA, "contract": CONTRACT, "plan": {}}
FIELDS = {
    "schema": SCHEMA, "scenario": "small", "replicate": 0, "fitter": "em", "start": "quantile",
    "outcome": "error",
}  # fmt: skip
RECORDS = [
    {**FIELDS, "restart": index, "message": message, "nll": -0.5}
    for index, message in enumerate(["", 'quoted "line"\n', 'a", "check": "', "µ", "x" * 40])
]
LINES = [to_line(record) for record in RECORDS]
WHOLE = b"".join(LINES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run's folder with the five records in its journal."""
    write_run(tmp_path, RUN_CONTENT)
    (tmp_path / TRIALS).write_bytes(WHOLE)
    return tmp_path


def test_appended_records_are_read_again(tmp_path: Path) -> None:
    run = {**RUN_CONTENT, "begun": "now", "versions": {"mixturebench": "1"}}
    run["machine"] = {"system": "Linux", "cores": 2}
    write_run(tmp_path, run)
    with Journal(tmp_path) as opened:
        assert opened.records == []
        for record in RECORDS[:3]:
            opened.append(record)
    with Journal(tmp_path) as opened:
        assert opened.records == RECORDS[:3]
        for record in RECORDS[3:]:
            opened.append(record)
    assert (tmp_path / TRIALS).read_bytes() == WHOLE
    assert read(tmp_path) == (run, RECORDS)
    assert not (tmp_path / TORN).exists()


def test_of_a_journal_cut_at_any_byte_whole_lines_are_read_and_the_rest_is_set_aside(
    folder: Path,
) -> None:
    for size in range(len(WHOLE) + 1):
        (folder / TRIALS).write_bytes(WHOLE[:size])
        (folder / TORN).unlink(missing_ok=True)
        whole = WHOLE[:size].count(b"\n")
        size_whole = len(b"".join(LINES[:whole]))
        assert read(folder)[1] == RECORDS[:whole]  # readable as it is
        with Journal(folder) as opened:
            assert opened.records == RECORDS[:whole]
            assert (folder / TRIALS).stat().st_size == size_whole
            torn = (folder / TORN).read_bytes() if (folder / TORN).exists() else b""
            assert torn == (WHOLE[size_whole:size] + b"\n" if size > size_whole else b"")
            for record in RECORDS[whole:]:
                opened.append(record)
        assert (folder / TRIALS).read_bytes() == WHOLE


def test_torn_lines_of_all_sessions_are_set_aside(folder: Path) -> None:
    for size in (len(WHOLE) - 3, len(WHOLE) - 5):
        (folder / TRIALS).write_bytes(WHOLE[:size])
        Journal(folder).__exit__(None, None, None)
    start = len(WHOLE) - len(LINES[-1])
    assert (folder / TORN).read_bytes() == WHOLE[start:-3] + b"\n" + WHOLE[start:-5] + b"\n"


# Up to the line break before the last line: without it, both are one torn last line.
@given(place=st.integers(0, len(WHOLE) - len(LINES[-1]) - 2), byte=st.integers(0, 255))
@settings(max_examples=300)
def test_a_changed_byte_before_the_last_line_is_an_error_that_names_its_line(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "changed"
    folder.mkdir(exist_ok=True)
    write_run(folder, RUN_CONTENT)
    content = bytearray(WHOLE)
    content[place] = byte if byte != content[place] else byte ^ 1
    (folder / TRIALS).write_bytes(content)
    number = WHOLE[:place].count(b"\n") + 1
    for opened in (lambda: read(folder), lambda: Journal(folder)):
        with pytest.raises(UserError, match=rf"line {number} of .* is damaged"):
            opened()
    assert (folder / TRIALS).read_bytes() == bytes(content)  # nothing was cut off


def test_only_one_process_writes(folder: Path) -> None:
    script = (
        "import sys, pathlib; from benchmarks.runner.journal import Journal, being_written;"
        "folder = pathlib.Path(sys.argv[1]); print(being_written(folder)); Journal(folder)"
    )

    def other() -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-c", script, str(folder)]
        return subprocess.run(arguments, capture_output=True, text=True, check=False)

    with Journal(folder):
        done = other()
        assert done.stdout.strip() == "True"
        assert "another process writes the run" in done.stderr
    done = other()
    assert done.stdout.strip() == "False"
    assert done.returncode == 0


def test_a_disk_that_fills_up_at_any_byte_leaves_whole_lines(folder: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for room in range(len(LINES[1])):
        (folder / TRIALS).write_bytes(LINES[0])
        with Journal(folder) as opened:
            resource.setrlimit(resource.RLIMIT_FSIZE, (len(LINES[0]) + room, limits[1]))
            try:
                with pytest.raises(OSError, match="File too large"):
                    opened.append(RECORDS[1])
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            opened.append(RECORDS[2])
        assert (folder / TRIALS).read_bytes() == LINES[0] + LINES[2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "can't be read"),
        ("[", "can't be read"),
        ('{"schema": 3, "contract": 1, "plan": {}}', "has schema 3"),
        ('{"schema": 99}', "has schema 99"),
        (f'{{"schema": {SCHEMA}, "contract": 2}}', "lacks plan"),
    ],
)
def test_a_file_that_is_no_run_is_an_error_of_one_sentence(
    tmp_path: Path, content: str, message: str
) -> None:
    with pytest.raises(UserError, match="there is no run in"):
        read(tmp_path)
    (tmp_path / RUN).write_text(content)
    with pytest.raises(UserError, match=message):
        read(tmp_path)


def test_records_are_synced_to_the_disk_when_that_is_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[int] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda file: (forced.append(file), fsync(file))[1])
    with Journal(tmp_path) as opened:
        opened.sync()
        assert forced == []  # there is nothing to force
        opened.append(RECORDS[0])
        time.sleep(SYNC_SECONDS)
        opened.sync()
        assert len(forced) == 1
        opened.sync()
        opened.sync(now=True)
        assert len(forced) == 1  # nothing was written since
        opened.append(RECORDS[1])
        opened.sync(now=True)
        assert len(forced) == 2
        opened.append(RECORDS[2])
    assert len(forced) == 3


def test_a_record_of_another_schema_is_refused(folder: Path) -> None:
    (folder / TRIALS).write_bytes(to_line({**RECORDS[0], "schema": SCHEMA + 1}))
    with pytest.raises(UserError, match=rf"has schema {SCHEMA + 1}"):
        read(folder)


@pytest.mark.parametrize("name", FIELDS)
def test_a_record_without_a_required_field_is_refused(folder: Path, name: str) -> None:
    line = to_line({key: value for key, value in RECORDS[0].items() if key != name})
    (folder / TRIALS).write_bytes(line)
    with pytest.raises(UserError, match="has schema None" if name == "schema" else f"lacks {name}"):
        read(folder)


def test_run_json_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.files.secrets.token_hex", lambda count: "own")
    write_run(tmp_path, {"schema": SCHEMA, "first": True})
    with pytest.raises(TypeError):
        write_run(tmp_path, {"schema": object()})
    (tmp_path / f"{RUN}.own{PART}").mkdir()  # where it would be written first
    with pytest.raises(OSError, match="directory"):
        write_run(tmp_path, {"schema": SCHEMA, "first": False})
    (tmp_path / f"{RUN}.own{PART}").rmdir()
    assert json.loads((tmp_path / RUN).read_text()) == {"schema": SCHEMA, "first": True}
    assert [path.name for path in tmp_path.iterdir()] == [RUN]


def test_a_packed_run_is_read_and_not_extended(tmp_path: Path) -> None:
    scenario = {"name": "small", "folder": "/home/someone/catalogue", "content": {}}
    run = {**RUN_CONTENT, "plan": {"scenarios": [scenario]}}
    write_packed(tmp_path, run, RECORDS)
    content, records = read(tmp_path)
    assert records == RECORDS
    assert content["plan"]["scenarios"] == [{**scenario, "folder": "."}]  # no path of a machine
    with pytest.raises(UserError, match="published"):
        Journal(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([RUN, PACKED])
    whole = (tmp_path / PACKED).read_bytes()
    (tmp_path / PACKED).write_bytes(whole[:-20])
    with pytest.raises(UserError, match="can't be read"):
        read(tmp_path)
