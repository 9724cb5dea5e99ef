"""Runs with hostile fitters, and runs that are killed: real processes end here.

``test_cell_progress`` and ``test_journal`` test the records of lost workers and torn journals.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pandas as pd
import psutil
import pytest

from benchmarks.runner.journal import TORN, TRIALS, read
from benchmarks.runner.plan import key_of
from tests.conftest import begin, command, environment, mixturebench, ran

MARK = "MIXTUREBENCH_TEST_MARK"
# Fields that are measured with a clock, or on one machine: all others must be equal in all runs.
MEASURED = {
    "seconds", "target_seconds", "cpu_seconds", "setup_seconds", "setup_cpu_seconds",
    "start_seconds", "cold_setup_seconds", "cold_setup_cpu_seconds", "disturbed", "rebound",
    "peak_mb", "host", "trace",
}  # fmt: skip

FITTERS = ("--scenario", "small", "--scenario", "unequal", "--fitter", "em", "--fitter", "direct")
PLAN = (*FITTERS, "--restarts", "12", "--no-report")
LONG_PLAN = (*FITTERS, "--restarts", "1500", "--no-report")
TOTAL = 2 * 2 * 12

# How a fitter misbehaves, the outcome of its trials, and a part of their message.
LOST = {
    "sleeps": ("timeout", "--timeout 2 s"),
    "allocates": ("memory", "--memory 400"),
    "exits": ("crashed", "exit status 7"),
    "ends": ("crashed", "SIGABRT"),
    "segfaults": ("crashed", "SIGSEGV"),
    "forks": ("timeout", "--timeout 2 s"),
    "detaches": ("timeout", "--timeout 2 s"),
}
SURVIVED = {
    "raises": ("error", "no space in my head"),
    "interrupts": ("error", "KeyboardInterrupt"),
    "garbage": ("error", "returned a dict"),
    "prints": ("returned", ""),
    "closes": ("returned", ""),
}


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A mark in the environment that identifies all processes of a run."""
    chosen = uuid.uuid4().hex
    monkeypatch.setenv(MARK, chosen)
    return chosen


def left_over(mark: str) -> list[str]:
    """The processes with ``mark`` in their environment that still run, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == mark
            if marked and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(" ".join(process.cmdline()))
        except psutil.Error:
            continue
    return found


def figures(folder: Path) -> dict[tuple, dict]:
    """The records of a run by trial, without ``MEASURED``; each trial has one record."""
    _, records = read(folder)
    facts = {
        key_of(r): {name: value for name, value in r.items() if name not in MEASURED}
        for r in records
    }
    assert len(facts) == len(records)
    return facts


def assert_survived(
    out: Path, site: Path, lost: dict[str, tuple[str, str]], restarts: int
) -> pd.DataFrame:
    """Run ``em`` and the hostile fitters; every trial is a row with its outcome.

    Returns the scored trials.
    """
    hows = (*lost, *SURVIVED, "returns_twice")
    chosen = [part for how in hows for part in ("--fitter", f"hostile:how={how}")]
    trials = ran(
        out, "--scenario", "unequal", "--restarts", str(restarts), "--timeout", "2",
        "--setup-timeout", "8", "--memory", "400", "--fitter", "em", *chosen, site=site,
    )  # fmt: skip
    assert len(trials) == restarts * (1 + len(hows))
    by_fitter = dict(iter(trials.groupby("fitter")))
    assert list(by_fitter["em"]["status"]) == ["converged"] * restarts
    records = figures(out)
    for how, (outcome, word) in (lost | SURVIVED).items():
        spec = f"hostile:how={how}"
        outcomes = [records["unequal", 0, spec, "quantile", r]["outcome"] for r in range(restarts)]
        # After three losses in a row the rest is not attempted.
        late = "not_attempted" if how in lost else outcome
        assert outcomes == [outcome if r < 3 else late for r in range(restarts)], how
        assert word in by_fitter[spec]["message"].iloc[0], how
    # Two processes answer on one pipe: the first answer is expected, a second one may not be.
    twice = [records["unequal", 0, "hostile:how=returns_twice", "quantile", r]["outcome"]
             for r in range(restarts)]  # fmt: skip
    assert twice[0] == "returned"
    assert set(twice) <= {"returned", "error"}
    return trials


def test_a_run_survives_hostile_fitters(hostile: Path, tmp_path: Path, mark: str) -> None:
    assert_survived(tmp_path / "run", hostile, LOST, restarts=1)
    assert left_over(mark) == []


@pytest.mark.slow
def test_a_run_survives_fitters_that_never_stop(hostile: Path, tmp_path: Path, mark: str) -> None:
    lost = LOST | {"slow_setup": ("timeout", "being prepared")}
    trials = assert_survived(tmp_path / "run", hostile, lost, restarts=4)
    assert left_over(mark) == []
    # Failures are on record with their cost.
    first = trials[trials["restart"] == 0].set_index("fitter")
    assert first.loc["hostile:how=sleeps", "seconds"] > 2.0
    assert "I've had enough" in first.loc["hostile:how=ends", "message"]
    status = mixturebench("status", str(tmp_path / "run"), site=hostile).stdout
    assert "3 × hostile:how=sleeps on unequal: timeout" in status
    assert "1 × hostile:how=sleeps on unequal: not_attempted" in status


def lines(out: Path) -> int:
    """How many lines a run's journal has, the last of them perhaps torn."""
    return (out / TRIALS).read_bytes().count(b"\n") if (out / TRIALS).exists() else 0


class Session:
    """A run in a process of its own, to be killed."""

    def __init__(self, out: Path, *arguments: str, site: Path | None = None) -> None:
        self.out = out
        self.process = begin("run", "--out", str(out), *arguments, site=site)

    def wait_for(self, count: int) -> None:
        """Wait until the journal has ``count`` lines, or the run has ended."""
        while self.process.poll() is None and lines(self.out) < count:
            time.sleep(0.01)

    def send(self, number: int) -> tuple[float, str]:
        """Send a signal; seconds until the end, and what it printed."""
        began = time.monotonic()
        self.process.send_signal(number)
        _, printed = self.process.communicate(timeout=60)
        return time.monotonic() - began, printed


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, one worker."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = mixturebench("run", *PLAN, "--workers", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert f"mixturebench report {out}" in done.stdout
    assert sorted(path.name for path in out.iterdir()) == ["run.json", TRIALS]  # and no report
    return out


def test_two_workers_and_one_give_the_same_figures(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = mixturebench("run", *PLAN, "--workers", "2", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert len(figures(whole)) == TOTAL
    assert figures(out) == figures(whole)
    for folder in (whole, out):
        assert mixturebench("score", str(folder)).returncode == 0
    one, two = (pd.read_parquet(folder / "trials.parquet") for folder in (whole, out))
    same = [name for name in one if name not in MEASURED]
    pd.testing.assert_frame_equal(one[same], two[same])


def assert_resumes(out: Path, plan: tuple[str, ...], moments: list[tuple[int, float]]) -> int:
    """Kill a run at each of ``moments`` (new lines, seconds after them), then complete it.

    Returns how many of the killed sessions added records.
    """
    grew = 0
    for more, seconds in moments:
        before = lines(out)
        session = Session(out, *plan, "--workers", "2")
        session.wait_for(before + more)
        time.sleep(seconds)
        session.send(signal.SIGKILL)
        grew += lines(out) > before
    done = mixturebench("run", "--no-report", "--out", str(out))  # the plan is in the folder
    assert done.returncode == 0, done.stderr
    return grew


def assert_all_gone(mark: str) -> None:
    """Workers end by themselves when their supervisor has ended."""
    deadline = time.monotonic() + 5.0
    while left_over(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(mark) == []


def test_a_killed_run_resumes_where_it_ended(whole: Path, tmp_path: Path, mark: str) -> None:
    # Before its first record, after it, in the middle, and between two fitters.
    moments = [(0, 0.4), (1, 0.0), (9, 0.02), (6, 0.1)]
    grew = assert_resumes(tmp_path / "run", PLAN, moments)
    assert grew >= 3
    assert_all_gone(mark)
    assert figures(tmp_path / "run") == figures(whole)


@pytest.mark.slow
def test_a_run_survives_thirty_kills(tmp_path: Path, mark: str) -> None:
    done = mixturebench("run", *LONG_PLAN, "--workers", "1", "--out", str(tmp_path / "whole"))
    assert done.returncode == 0, done.stderr
    draw = random.Random(4)
    moments = [(draw.randrange(40), draw.uniform(0.0, 0.3)) for _ in range(30)]
    grew = assert_resumes(tmp_path / "run", LONG_PLAN, moments)
    assert grew >= 10  # enough of the killed sessions had written records
    assert_all_gone(mark)
    assert figures(tmp_path / "run") == figures(tmp_path / "whole")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_quick_and_says_how_to_resume(
    hostile: Path, tmp_path: Path, mark: str, number: int
) -> None:
    out = tmp_path / "run"
    plan = ("--scenario", "small", "--fitter", "em", "--fitter", "hostile:how=forks")
    session = Session(out, *plan, site=hostile)
    session.wait_for(10)
    assert "running, 10 of 20 trials" in mixturebench("status", str(out), site=hostile).stdout
    elapsed, printed = session.send(number)
    assert session.process.returncode == 130
    assert elapsed < 2.0  # the documented time
    assert left_over(mark) == []
    assert "10 of 20 trials are safe" in printed
    assert f"mixturebench run --out {out}" in printed
    status = mixturebench("status", str(out), site=hostile).stdout
    assert "interrupted, 10 of 20 trials" in status
    assert f"mixturebench run --out {out}" in status


def test_losses_in_a_row_are_counted_across_sessions(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    plan = ("--scenario", "small", "--fitter", "hostile:how=exits", "--restarts", "5")
    done = mixturebench("run", *plan, "--no-report", "--out", str(out), site=hostile)
    assert done.returncode == 0, done.stderr
    expected = figures(out)
    assert [r["outcome"] for r in expected.values()] == ["crashed"] * 3 + ["not_attempted"] * 2
    content = (out / TRIALS).read_bytes().splitlines(keepends=True)
    (out / TRIALS).write_bytes(b"".join(content[:2]))
    done = mixturebench("run", "--no-report", "--out", str(out), site=hostile)
    assert done.returncode == 0, done.stderr
    assert figures(out) == expected


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of the uninterrupted run, to change."""
    return shutil.copytree(whole, tmp_path / "copy")


def test_a_torn_last_line_is_set_aside_and_its_trial_repeated(whole: Path, run: Path) -> None:
    content = (run / TRIALS).read_bytes()
    (run / TRIALS).write_bytes(content[:-40])
    assert mixturebench("run", "--no-report", "--out", str(run)).returncode == 0
    assert figures(run) == figures(whole)
    assert (run / TORN).read_bytes().strip() == content.splitlines()[-1][:-39].strip()


@pytest.mark.parametrize("arguments", [["report"], ["run", "--out"], ["status"]])
def test_a_damaged_line_is_named(run: Path, arguments: list[str]) -> None:
    content = (run / TRIALS).read_bytes().splitlines(keepends=True)
    content[6] = content[6].replace(b'"returned"', b'"Returned"')
    (run / TRIALS).write_bytes(b"".join(content))
    done = mixturebench(*arguments, str(run))
    assert done.returncode == 2
    assert "line 7" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--restarts", "11"], "--restarts 11: the run that is there has 12"),
        (["--seed", "3"], "--seed 3: the run that is there has 0"),
        (["--timeout", "5"], "--timeout 5.0: the run that is there has 600.0"),
        (["--profile", "check"], "--profile check: the run that is there has quick"),
    ],
)
def test_a_plan_that_would_change_trials_is_refused(
    whole: Path, arguments: list[str], word: str
) -> None:
    before = (whole / TRIALS).read_bytes()
    done = mixturebench("run", *PLAN, *arguments, "--out", str(whole))
    assert done.returncode == 2
    assert word in done.stderr
    assert (whole / TRIALS).read_bytes() == before


def test_a_run_with_changed_data_is_not_resumed(tmp_path: Path) -> None:
    data = tmp_path / "x.csv"
    data.write_text("x\n" + "\n".join(str(0.1 * i + 0.01 * i * i) for i in range(40)))
    (tmp_path / "mine.toml").write_text(
        'title = "t"\nfamily = "normal"\n[data]\nfile = "x.csv"\ncomponents = 2\n'
    )
    arguments = ("--scenario", "mine.toml", "--fitter", "em", "--no-report", "--out", "run")
    assert mixturebench("run", *arguments, folder=tmp_path).returncode == 0
    content = (tmp_path / "run" / TRIALS).read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / TRIALS).write_bytes(b"".join(content[:3]))
    data.write_text(data.read_text() + "\n3.5")
    done = mixturebench("run", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "data set 0" in done.stderr
    assert "name another folder if its data have changed" in done.stderr


def test_two_processes_do_not_write_one_journal(hostile: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    session = Session(out, "--scenario", "small", "--fitter", "hostile:how=sleeps", site=hostile)
    while not (out / TRIALS).exists():
        time.sleep(0.05)
    time.sleep(0.3)
    done = mixturebench("run", "--out", str(out), site=hostile)
    session.send(signal.SIGINT)
    assert done.returncode == 2
    assert "another process writes the run" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces mount the small disk")
def test_a_full_disk_is_reported_and_no_record_is_lost(whole: Path, tmp_path: Path) -> None:
    # In a namespace of its own: a disk of 160 kB, most of it taken.
    disk, copies = tmp_path / "disk", tmp_path / "copies"
    disk.mkdir()
    copies.mkdir()
    first = " ".join(command("run", *PLAN, "--workers", "2", "--out", f"{disk}/run"))
    again = " ".join(command("run", "--no-report", "--out", f"{disk}/run"))
    script = f"""
        mount -t tmpfs -o size=160k none {disk} || exit 99
        head -c 100000 /dev/zero > {disk}/filler
        {first} 2> {copies}/stderr; echo $? > {copies}/status
        cp {disk}/run/{TRIALS} {copies}/
        mount -o remount,size=100m {disk}
        {again} && cp -r {disk}/run {copies}/
    """
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    subprocess.run(namespace, check=True, stdout=subprocess.DEVNULL, env=environment())
    stderr = (copies / "stderr").read_text()
    assert (copies / "status").read_text().strip() == "2", stderr
    assert "Traceback" not in stderr
    assert "No space left on device" in stderr
    assert "make room" in stderr
    assert f"to go on: mixturebench run --out {disk}/run" in stderr
    content = (copies / TRIALS).read_bytes()
    assert content.endswith(b"\n")
    assert 0 < content.count(b"\n") < TOTAL
    assert figures(copies / "run") == figures(whole)
