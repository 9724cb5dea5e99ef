"""The asv suites: the range of their figures, and asv's configuration."""

from __future__ import annotations

import json
import math
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from asv.config import Config
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import quality, under_test
from benchmarks.runner import choices, worker_process

ROOT = Path(__file__).parents[2]
FIGURES = ("failures_per_100", "excess", "information_error", "passes")

anything = st.floats() | st.floats(0.0, 1e4)
row = st.fixed_dictionaries(
    {
        "status": st.sampled_from(["converged", "found", "local", "error", "timeout"]),
        "excess": anything,
        "information_error": anything,
        "passes": anything,
        "start_passes": anything,
    }
)


@pytest.mark.parametrize("name", FIGURES)
@given(rows=st.lists(row, min_size=1))
def test_figures_are_finite_and_positive_for_any_fits(
    name: str, rows: list[dict[str, Any]]
) -> None:
    assert 0.0 < getattr(quality, name)(rows) <= quality.WORST


@pytest.mark.parametrize("name", FIGURES)
@given(rows=st.lists(row, min_size=1), index=st.integers(0))
def test_a_failure_improves_no_figure(name: str, rows: list[dict[str, Any]], index: int) -> None:
    figure = getattr(quality, name)
    before, failed = figure(rows), rows[index % len(rows)]
    failed |= {"status": "error", "excess": math.nan, "information_error": math.nan}
    assert figure(rows) >= before


def test_every_figure_is_at_its_worst_where_all_fits_fail() -> None:
    nothing = dict.fromkeys(("excess", "information_error", "passes"), math.nan)
    rows = [{"status": "error", "start_passes": 0.0, **nothing}] * 3
    figures = {name: getattr(quality, name)(rows) for name in FIGURES}
    assert figures == {**dict.fromkeys(FIGURES, quality.WORST), "failures_per_100": 100.0}


def test_figures_by_hand() -> None:
    names = ("status", "excess", "information_error", "passes", "start_passes")
    rows = [
        dict(zip(names, values, strict=True))
        for values in [
            ("converged", 0.004, 1.5, 10.0, 1.0),
            ("converged", 1e-9, 1.1, 20.0, 1.0),
            ("local", 70.0, 900.0, 7.0, 1.0),
            ("error", math.nan, math.nan, math.nan, 1.0),
        ]
    ]
    assert quality.failures_per_100(rows) == 50.0
    assert quality.excess(rows) == (0.004 + 70.0) / 2  # of 0.001, 0.004, 70, a million
    assert quality.information_error(rows) == (1.5 + 900.0) / 2
    assert quality.passes(rows) == (37.0 + 4.0) / 2


@pytest.fixture(scope="module")
def discovered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The benchmarks that asv discovers, with the attributes that it reads."""
    program = """
import sys
from asv_runner.discovery import list_benchmarks
list_benchmarks(sys.argv[1], sys.stdout)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(ROOT / "benchmarks")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path_factory.mktemp("elsewhere"),
    )
    return {benchmark["name"]: benchmark for benchmark in json.loads(done.stdout)}


def test_versions_units_and_limits_are_stated(discovered: dict[str, dict[str, Any]]) -> None:
    # Without, asv takes a digest of the benchmark's own source, "unit", and a minute.
    assert all(re.fullmatch(r"\d+", b["version"]) for b in discovered.values())
    tracked = [b for n, b in discovered.items() if n.startswith("quality.")]
    assert {b["name"].split(".track_")[1] for b in tracked} == set(FIGURES)
    assert len({b["unit"] for b in tracked} - {"unit"}) == len(FIGURES)
    # One grid for all of them, with a limit of its own.
    assert len({b["setup_cache_key"] for b in tracked}) == 1
    assert {b["setup_cache_timeout"] for b in tracked} == {1800}
    assert all(b["timeout"] < b["setup_cache_timeout"] for b in tracked)


def test_the_suites_measure_every_fitter_of_a_run(
    discovered: dict[str, dict[str, Any]],
) -> None:
    expected = [repr(name) for name in choices.PROFILES["quick"].fitters]
    suites = [n for n in discovered if n.startswith("quality.") or "_fit" in n]
    measured = {name: discovered[name]["params"][0] for name in suites}
    assert len(measured) == len(FIGURES) + 2
    assert set(map(tuple, measured.values())) == {tuple(expected)}


def test_a_commit_of_ancommit_skip_reason_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert under_test.commit_skip_reason() == ""
    monkeypatch.setattr("fitters.CONTRACT", 17)
    assert "fitters.CONTRACT 17" in under_test.commit_skip_reason()


@pytest.mark.parametrize(
    ("absent", "message"),
    [
        ("fitters.starts", "this commit lacks"),
        ("benchmarks.runner.seeds", "ModuleNotFoundError"),  # that is no commit's fault
    ],
)
def test_a_commit_that_lacks_what_the_runner_imports_is_skipped_by_name(
    absent: str, message: str
) -> None:
    program = f"""
import sys
from benchmarks.under_test import commit_skip_reason
sys.modules[{absent!r}] = None
print(commit_skip_reason("benchmarks.runner.datasets"))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert re.search(f"{message}.*{absent}", done.stdout + done.stderr)


@pytest.fixture(scope="module")
def config() -> Config:
    return Config.load(str(ROOT / "asv.conf.json"))


def test_asv_knows_every_key_of_its_configuration(config: Config) -> None:
    # Others it passes over in silence.
    known = {*vars(Config()), "version", "build_cache_size"}
    assert vars(config).keys() <= known


def test_every_benchmark_has_a_threshold(
    config: Config, discovered: dict[str, dict[str, Any]]
) -> None:
    thresholds = config.regressions_thresholds
    for name in discovered:
        entry = f"{name}(em, unequal)@HEAD"  # what asv matches with
        assert len([regex for regex in thresholds if re.match(regex, entry)]) == 1, name
    for regex in thresholds:
        assert any(re.match(regex, name) for name in discovered), regex


def test_asv_holds_torch_and_resolves_nothing_anew(config: Config) -> None:
    assert all("--no-deps" in command for command in config.build_command)
    assert all("--no-deps" in command for command in config.install_command)
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    wanted = config.matrix["req"]
    assert next(iter(wanted.items())) == ("torch", [pins["torch"]])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {re.split("[<>=]", requirement)[0] for requirement in project["dependencies"]}
    assert wanted.keys() == needed | {"hatchling"}
    assert wanted.keys() <= pins.keys()


def test_asv_measures_with_one_thread_and_writes_below_results(config: Config) -> None:
    single = {**{name: ["1"] for name in worker_process.THREADS}, "PYTHONHASHSEED": ["0"]}
    assert config.matrix["env_nobuild"] == single
    for folder in (config.env_dir, config.results_dir, config.html_dir):
        assert folder.startswith("results/asv/")
        ignored = ["git", "check-ignore", "--quiet", "--no-index", folder]
        assert subprocess.run(ignored, cwd=ROOT, check=False).returncode == 0


@pytest.mark.parametrize(
    ("target", "asked"),
    [("asv", "HEAD^!"), ("asv-history", "one..two"), ("asv-html", "publish")],
)
def test_make_runs_asv_with_the_constraints(target: str, asked: str, tmp_path: Path) -> None:
    # In place of asv a script that notes how it was called, in an environment that make takes
    # for installed.
    (tmp_path / "bin").mkdir()
    asv = tmp_path / "bin" / "asv"
    asv.write_text(f'#!/bin/sh\necho "$PIP_CONSTRAINT|$*" >> {tmp_path}/calls\n')
    asv.chmod(0o755)
    (tmp_path / ".installed").touch()
    make = ["make", target, f"VENV={tmp_path}", "RANGE=one..two"]
    subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True)
    calls = [line.split("|") for line in (tmp_path / "calls").read_text().splitlines()]
    (constraint,) = [constraint for constraint, arguments in calls if asked in arguments]
    assert Path(constraint) == ROOT / "constraints.txt"
