"""Runs that are attacked from within and killed from without, for real."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from benchmarks.harness.journal import TORN, TRIALS, read
from benchmarks.harness.plan import key_of
from tests.conftest import command, install, mixturebench

HOSTILE = Path(__file__).parent / "hostile"
MARK = "MIXTUREBENCH_TEST_MARK"
# What is measured with a clock, or on one machine: all else must be the same in every run.
OF_THE_MOMENT = {
    "seconds", "target_seconds", "cpu_seconds", "setup_seconds", "start_seconds", "peak_mb",
    "host", "trace",
}  # fmt: skip

FITTERS = ("--scenario", "small", "--scenario", "unequal", "--fitter", "em", "--fitter", "direct")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package of hostile fitters, installed."""
    return install(HOSTILE, tmp_path_factory.mktemp("site"))


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """Something in the environment by which to know all that a run started."""
    chosen = uuid.uuid4().hex
    monkeypatch.setenv(MARK, chosen)
    return chosen


def left_over(mark: str) -> list[str]:
    """The processes with ``mark`` in their environment that still run."""
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
    """The records of a run by trial, without what is of the moment; each trial once."""
    _, records = read(folder)
    told = {
        key_of(r): {name: value for name, value in r.items() if name not in OF_THE_MOMENT}
        for r in records
    }
    assert len(told) == len(records)
    return told


def test_a_run_outlives_hostile_fitters(site: Path, tmp_path: Path, mark: str) -> None:
    lost = {
        "sleeps": ("timeout", "--timeout 3 s"),
        "allocates": ("memory", "--memory 700"),
        "exits": ("crashed", "exit status 7"),
        "ends": ("crashed", "SIGABRT"),
        "segfaults": ("crashed", "SIGSEGV"),
        "forks": ("timeout", "--timeout 3 s"),
        "detaches": ("timeout", "--timeout 3 s"),
        "slow_setup": ("timeout", "being prepared"),
    }
    survived = {
        "raises": ("error", "no space in my head"),
        "interrupts": ("error", "KeyboardInterrupt"),
        "garbage": ("error", "returned a dict"),
        "prints": ("returned", ""),
        "closes": ("returned", ""),
    }
    specs = [f"hostile:how={how}" for how in (*lost, *survived, "returns_twice")]
    chosen = [part for spec in ("em", *specs) for part in ("--fitter", spec)]
    out = tmp_path / "run"
    done = mixturebench(
        "run", "--scenario", "unequal", "--restarts", "4", "--timeout", "3", "--setup-timeout",
        "8", "--memory", "700", "--out", str(out), *chosen,
        site=site,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert left_over(mark) == []
    trials = pd.read_parquet(out / "trials.parquet")
    assert len(trials) == 4 * (1 + len(specs))
    by_fitter = dict(iter(trials.groupby("fitter")))
    assert list(by_fitter["em"]["status"]) == ["converged"] * 4
    outcomes = {key: r["outcome"] for key, r in figures(out).items()}
    for how, (outcome, word) in (lost | survived).items():
        spec = f"hostile:how={how}"
        ours = [outcomes["unequal", 0, spec, "quantile", restart] for restart in range(4)]
        fourth = "not_attempted" if how in lost else outcome
        assert ours == [outcome] * 3 + [fourth], how
        assert by_fitter[spec]["message"].iloc[0].count(word), how
    # What a run had to endure is told, and so is what it cost.
    assert by_fitter["hostile:how=sleeps"]["seconds"].iloc[0] > 3.0
    assert "I've had enough" in by_fitter["hostile:how=ends"]["message"].iloc[0]
    told = mixturebench("status", str(out), site=site).stdout
    assert "3 × hostile:how=sleeps on unequal: timeout" in told
    assert "1 × hostile:how=sleeps on unequal: not_attempted" in told


def lines(out: Path) -> int:
    """How many lines a run's journal has, the last of them perhaps torn."""
    return (out / TRIALS).read_bytes().count(b"\n") if (out / TRIALS).exists() else 0


class Session:
    """A run in a process of its own, to be ended from without."""

    def __init__(self, out: Path, *arguments: str, site: Path | None = None) -> None:
        own = {"PYTHONPATH": str(site)} if site else {}
        self.process = subprocess.Popen(
            command("run", "--out", str(out), *arguments),
            env={**os.environ, **own},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def send(self, number: int) -> tuple[float, str]:
        """Send a signal; seconds until the end, and what it said."""
        began = time.monotonic()
        self.process.send_signal(number)
        _, told = self.process.communicate(timeout=60)
        return time.monotonic() - began, told


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run, one worker."""
    out = tmp_path_factory.mktemp("whole") / "run"
    done = mixturebench("run", *FITTERS, "--restarts", "150", "--workers", "1", "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out


def test_two_workers_and_one_give_the_same_figures(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = mixturebench("run", *FITTERS, "--restarts", "150", "--workers", "2", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert figures(out) == figures(whole)
    one, two = (pd.read_parquet(folder / "trials.parquet") for folder in (whole, out))
    same = [name for name in one if name not in OF_THE_MOMENT]
    pd.testing.assert_frame_equal(one[same], two[same])


def test_a_killed_run_goes_on_where_it_stood(whole: Path, tmp_path: Path, mark: str) -> None:
    out, moments, grew = tmp_path / "run", random.Random(4), 0
    total = len(figures(whole))
    arguments = [*FITTERS, "--restarts", "150", "--workers", "2"]
    for _ in range(30):
        before = len(figures(out)) if (out / TRIALS).exists() else 0
        session = Session(out, *arguments)
        # At any moment: while it starts, or after so many trials, however fast this machine is.
        # Nor is the judging of a run that is complete worth waiting for.
        enough = min(before + moments.randrange(40), total)
        while session.process.poll() is None and lines(out) < enough:
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.3))
        session.send(signal.SIGKILL)
        grew += (len(figures(out)) if (out / TRIALS).exists() else 0) > before
    assert grew >= 3  # the moments were such that there was something to lose
    deadline = time.monotonic() + 5.0  # workers see that their supervisor is gone
    while left_over(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(mark) == []
    done = mixturebench("run", "--out", str(out))  # the plan is in the folder
    assert done.returncode == 0, done.stderr
    assert figures(out) == figures(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_is_quick_and_says_how_to_go_on(
    site: Path, tmp_path: Path, mark: str, number: int
) -> None:
    out = tmp_path / "run"
    session = Session(
        out, "--scenario", "small", "--fitter", "em", "--fitter", "hostile:how=forks", site=site
    )
    while not (out / TRIALS).exists() or len(read(out)[1]) < 10:
        assert session.process.poll() is None
        time.sleep(0.1)
    assert "running, 10 of 20 trials" in mixturebench("status", str(out), site=site).stdout
    elapsed, told = session.send(number)
    assert session.process.returncode == 130
    assert elapsed < 2.0  # what is promised to people, who are waiting
    assert left_over(mark) == []
    assert "10 of 20 trials are safe" in told
    assert f"mixturebench run --out {out}" in told
    told = mixturebench("status", str(out), site=site).stdout
    assert "interrupted, 10 of 20 trials" in told
    assert f"mixturebench run --out {out}" in told


def test_losses_in_a_row_are_counted_across_sessions(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--scenario", "small", "--fitter", "hostile:how=exits", "--restarts", "5")
    done = mixturebench("run", *arguments, "--out", str(out), site=site)
    assert done.returncode == 0, done.stderr
    expected = figures(out)
    lines = (out / TRIALS).read_bytes().splitlines(keepends=True)
    (out / TRIALS).write_bytes(b"".join(lines[:2]))
    assert mixturebench("run", "--out", str(out), site=site).returncode == 0
    assert figures(out) == expected


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the uninterrupted run, to do things to."""
    yield shutil.copytree(whole, tmp_path / "copy")


def test_a_torn_last_line_is_set_aside(whole: Path, run: Path) -> None:
    content = (run / TRIALS).read_bytes()
    (run / TRIALS).write_bytes(content[:-40])
    assert len(read(run)[1]) == len(read(whole)[1]) - 1  # readable as it is
    assert mixturebench("run", "--out", str(run)).returncode == 0
    assert figures(run) == figures(whole)
    assert (run / TORN).read_bytes().strip() == content.splitlines()[-1][:-39].strip()


def test_a_damaged_line_is_named(run: Path) -> None:
    lines = (run / TRIALS).read_bytes().splitlines(keepends=True)
    lines[6] = lines[6].replace(b'"returned"', b'"Returned"')
    (run / TRIALS).write_bytes(b"".join(lines))
    for arguments in (["report", str(run)], ["run", "--out", str(run)]):
        done = mixturebench(*arguments)
        assert done.returncode == 2
        assert "line 7" in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--restarts", "140"], "restarts em 150, not 140"),
        (["--seed", "3"], "seed 0, not 3"),
        (["--fitter", "gradient"], "fitters em, direct, not em, direct, gradient"),
        (["--timeout", "5"], "timeout 600"),
        (["--start", "kmeans"], "starts quantile, not kmeans"),
        (["--scenario", "rare"], "scenarios small, unequal, not small, unequal, rare"),
    ],
)
def test_another_plan_is_refused_naming_what_differs(
    whole: Path, arguments: list[str], word: str
) -> None:
    before = (whole / TRIALS).read_bytes()
    done = mixturebench("run", "--restarts", "150", *FITTERS, *arguments, "--out", str(whole))
    assert done.returncode == 2
    assert word in done.stderr
    assert (whole / TRIALS).read_bytes() == before


def test_changed_data_are_not_mixed_with_old(tmp_path: Path) -> None:
    data = tmp_path / "x.csv"
    data.write_text("x\n" + "\n".join(str(0.1 * i + 0.01 * i * i) for i in range(40)))
    (tmp_path / "mine.toml").write_text(
        'title = "t"\nfamily = "normal"\n[data]\nfile = "x.csv"\ncomponents = 2\n'
    )
    arguments = ("--scenario", "mine.toml", "--fitter", "em", "--out", "run")
    assert mixturebench("run", *arguments, folder=tmp_path).returncode == 0
    lines = (tmp_path / "run" / TRIALS).read_bytes().splitlines(keepends=True)
    (tmp_path / "run" / TRIALS).write_bytes(b"".join(lines[:3]))
    data.write_text(data.read_text() + "\n3.5")
    done = mixturebench("run", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert "its data have changed" in done.stderr


def test_two_processes_do_not_write_one_journal(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ("--scenario", "small", "--fitter", "hostile:how=sleeps")
    session = Session(out, *arguments, site=site)
    while not (out / TRIALS).exists():
        time.sleep(0.1)
    time.sleep(0.3)
    done = mixturebench("run", "--out", str(out), site=site)
    session.send(signal.SIGINT)
    assert done.returncode == 2
    assert "another process is carrying out the run" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces mount the small disk")
def test_a_full_disk_is_said_and_nothing_is_lost(whole: Path, tmp_path: Path) -> None:
    # In a namespace of its own: a disk of 300 kB, most of it taken.
    disk, copies = tmp_path / "disk", tmp_path / "copies"
    disk.mkdir()
    copies.mkdir()
    first = " ".join(
        command("run", *FITTERS, "--restarts", "150", "--workers", "2", "--out", f"{disk}/run")
    )
    script = f"""
        mount -t tmpfs -o size=300k none {disk} || exit 99
        head -c 150000 /dev/zero > {disk}/filler
        {first} 2> {copies}/told; echo $? > {copies}/status
        cp {disk}/run/{TRIALS} {copies}/
        mount -o remount,size=100m {disk}
        {" ".join(command("run", "--out", f"{disk}/run"))} && cp -r {disk}/run {copies}/
    """
    namespace = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
    subprocess.run(namespace, check=True, stdout=subprocess.DEVNULL)
    told = (copies / "told").read_text()
    assert (copies / "status").read_text().strip() == "2", told
    assert "Traceback" not in told
    assert "No space left on device" in told
    assert "make room" in told
    assert f"to go on: mixturebench run --out {disk}/run" in told
    content = (copies / TRIALS).read_bytes()
    assert content.endswith(b"\n")
    assert 0 < content.count(b"\n") < len(figures(whole))
    assert figures(copies / "run") == figures(whole)
