"""The report of a run: its figures recounted from the trials, its page held to what it promises."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks.harness import judge
from benchmarks.harness.journal import RUN, TRIALS, from_line, to_line
from benchmarks.harness.metrics import summarise
from benchmarks.harness.plan import Choices
from benchmarks.harness.problem import Problem
from benchmarks.harness.run import provenance
from benchmarks.report.across import posteriors
from benchmarks.report.drawing import PALETTE, power_of_ten
from benchmarks.report.estimates import Estimates, usual_jacobian, usual_values
from benchmarks.report.tables import Table, markdown_table
from benchmarks.report.words import verdict
from scenarios.scenario import build
from tests.conftest import components, mixturebench
from tests.test_aggregates import trial
from tests.test_facts import run_of, trials_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    done = mixturebench(
        "run", "--out", "run", "--scenario", "founding", "--scenario", "unequal", "--restarts", "4",
        "--fitter", "em", "--fitter", "direct:bins=1024", "--fitter", "gradient:max_epochs=40",
        "--start", "quantile", "--start", "article", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


class Page(HTMLParser):
    """The tables of a page as lists of rows, its headings' levels, and its elements' tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.tables[-1][-1][-1] += data


def number(cell: str) -> float:
    """What a cell says, in seconds where it is a time."""
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
    match = re.fullmatch(r"([-+\d.,e]+)(?: (µs|ms|s|min))?", cell)
    assert match, cell
    return float(match[1].replace(",", "")) * units.get(match[2], 1.0)


def test_the_first_table_can_be_recounted(folder: Path) -> None:
    trials = pd.read_parquet(folder / "run" / "trials.parquet")
    heading, *rows = Page((folder / "run" / "report.html").read_text()).tables[0]
    assert len(rows) == 3 * 2
    for row in rows:
        told = dict(zip(heading, row, strict=True))
        mine = trials[(trials.fitter == told["fitter"]) & (trials.start == told["start"])]
        assert len(mine) == 8
        good = mine[(mine.excess <= 0.01) & ~mine.status.isin(["spurious", "invalid"])]
        close = mine[(mine.excess <= 1.0) & ~mine.status.isin(["spurious", "invalid"])]
        assert told["converged"] == f"{len(good)}/8"
        assert told["close"] == f"{len(close)}/8"
        assert told["rate [95 %]"].startswith(f"{len(good) / 8:.0%} [")
        claims = mine[mine.claimed == True]  # noqa: E712 - None is no claim
        false = len(claims) - claims.index.isin(close.index).sum()
        assert told["false claims"] == (f"{false}/{len(claims)}" if len(claims) else "–")
        for name, column in (("time", "seconds"), ("passes", "evaluations")):
            assert number(told[name]) == pytest.approx(mine[column].median(), rel=0.06)
        for name, column in (("excess", "excess"), ("inf. error", "information_error")):
            expected = mine[column].median()
            assert number(told[name]) == pytest.approx(expected, rel=0.06, abs=1e-8)
        setup = sum(cell.setup_seconds.iloc[0] for _, cell in mine.groupby("scenario"))
        spent = mine.seconds.sum() + mine.start_seconds.sum() + setup
        cost = told["ERT"].removeprefix("> ")
        assert told["ERT"].startswith(">") == good.empty
        assert number(cost) == pytest.approx(spent / max(len(good), 1), rel=0.01)


def test_the_map_adds_up_to_the_first_table(folder: Path) -> None:
    ranking, convergence = Page((folder / "run" / "report.html").read_text()).tables[:2]
    converged = {f"{row[0]}, {row[1]}": row[2] for row in ranking[1:]}
    assert convergence[0] == ["fitter", "founding", "unequal"]
    for label, *cells in convergence[1:]:
        counts = np.array([cell.split("/") for cell in cells], dtype=int).sum(axis=0)
        assert converged[label] == f"{counts[0]}/{counts[1]}"


def test_markdown_and_csv_say_the_same(folder: Path) -> None:
    trials = pd.read_parquet(folder / "run" / "trials.parquet")
    csv = mixturebench("report", "run", "--format", "csv", folder=folder)
    assert csv.returncode == 0, csv.stderr
    pd.testing.assert_frame_equal(
        pd.read_csv(StringIO(csv.stdout), keep_default_na=False, na_values=[""]).fillna(""),
        summarise(trials).fillna(""),
        check_dtype=False,
    )
    done = mixturebench("report", "run", "--format", "md", "--out", "told.md", folder=folder)
    assert done.returncode == 0, done.stderr
    lines = (folder / "told.md").read_text().splitlines()
    first = [line for line in lines if line.startswith("|")][:8]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in first]
    page = Page((folder / "run" / "report.html").read_text()).tables[0]
    assert [cells[0], *cells[2:]] == page
    assert "`gradient:max_epochs=40`" in lines[0]


def test_a_cell_with_a_bar_stays_a_cell() -> None:
    assert markdown_table(["a", "b"], [["x|y", "1"]]).splitlines()[2] == "| x\\|y | 1 |"


def test_numbers_have_four_digits() -> None:
    table = Table.of_numbers("t", ["a", "b"], [[0.1234567, 1234567.0], [float("nan"), 2.0]])
    assert table.markdown().splitlines()[2:] == ["| 0.1235 | 1.235e+06 |", "| nan | 2 |"]


def test_the_page_is_whole_and_in_order(folder: Path) -> None:
    page = Page((folder / "run" / "report.html").read_text())
    names = [tag for tag, _ in page.tags]
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert {"header", "nav", "main"} <= set(names)
    assert ("html", {"lang": "en"}) in page.tags
    assert all(told.get("scope") for tag, told in page.tags if tag == "th")
    # A table behind every figure, a name on every picture, and a button on none: scripts add them.
    assert names.count("figure") == names.count("details") == names.count("figcaption")
    pictures = [told for tag, told in page.tags if tag == "svg"]
    assert all(told.get("role") == "img" and told.get("aria-label") for told in pictures)
    assert "button" not in names
    scrolling = [told for _, told in page.tags if told.get("class") in ("wide", "drawing")]
    assert all(told.get("tabindex") == "0" and told.get("aria-label") for told in scrolling)


def luminance(colour: str) -> float:
    """Relative luminance, by WCAG 2.2's definition."""
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255.0
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_have_the_contrast_that_eyes_need(theme: int) -> None:
    def contrast(one: str, other: str) -> float:
        low, high = sorted(luminance(PALETTE[name][theme]) for name in (one, other))
        return (high + 0.05) / (low + 0.05)

    for paper in ("paper", "tint"):
        assert min(contrast(text, paper) for text in ("ink", "soft", "link")) >= 4.5
    assert min(contrast(f"s{index}", "paper") for index in range(6)) >= 3.0
    assert contrast("ink", "bar") >= 4.5


def told(**values: object) -> dict:
    base = {"fitter": "em", "start": "quantile", "restarts": 10, "converged": 10, "rate": 1.0,
            "rate_low": 0.72, "rate_high": 1.0, "close": 10, "seconds": 0.01, "claims": 10,
            "false_claims": 0, "others": ""}  # fmt: skip
    return {**base, **values}


def test_the_verdict_is_made_of_the_figures() -> None:
    ranking = pd.DataFrame(
        [
            told(),
            told(fitter="direct", restarts=4, converged=4, close=4, seconds=0.5),
            told(
                fitter="gradient",
                converged=3,
                rate=0.3,
                close=5,
                rate_low=0.11,
                rate_high=0.6,
                false_claims=2,
                others="4 local, 1 spurious",
            ),
        ]
    )
    words = " ".join(verdict(ranking, 1))
    assert words == (
        "`em` from quantile starts reached the optimum in 100% [72–100] of 10 restarts, at 10 ms "
        "each. So did `direct` (4 of 4) at 500 ms. `gradient` from quantile starts converged in "
        "30% [11–60] and came close in 50%; of the other 5 (4 local, 1 spurious) it called 2 "
        "converged all the same."
    )
    failed = pd.DataFrame([told(converged=0, rate=0.0, close=3)])
    assert verdict(failed, 2) == [
        "No method reached the optimum in any of its restarts on 2 scenarios.",
        "`em` from quantile starts came closest: near it in 3 of 10.",
    ]


@pytest.mark.parametrize("name", ["beta", "normal", "student_t"])
def test_errors_are_carried_to_usual_parameters(name: str) -> None:
    mixture = judge.Judged(name, np.array([0.5, 0.2, 0.3]), components(name))
    step = 1e-6
    numeric = np.stack(
        [
            (usual_values(mixture.moved(i, step)) - usual_values(mixture.moved(i, -step)))
            / (2.0 * step)
            for i in range(mixture.size)
        ],
        axis=1,
    )
    assert_allclose(usual_jacobian(mixture), numeric, atol=1e-7)


def test_cramer_rao_bounds_of_one_normal_are_the_known_ones(tmp_path: Path) -> None:
    content = {"title": "t", "family": "normal", "n": 400,
               "components": [{"weight": 1.0, "mu": 3.0, "sigma": 2.0}]}  # fmt: skip
    problem = Problem.of(build("one", content, tmp_path), 0, 0)
    assert problem.truth is not None
    estimates = Estimates(problem, problem.truth, pd.DataFrame())
    # The mean's is σ/√n, the standard deviation's σ/√(2n); a lone weight is 1.
    expected = [0.0, 2.0 / np.sqrt(400.0), 2.0 / np.sqrt(800.0)]
    assert_allclose(estimates.standard_errors, expected, atol=1e-9)


def test_a_table_of_posteriors_has_counts_and_rates() -> None:
    facts = {"r_hat": 1.0042, "divergences": 1.0, "setup_seconds": 8.0, "seconds": 2.0}
    held = {"covered_50": [True, False], "covered_90": [True, True]}
    trials = pd.DataFrame([trial(ess=400.0, restart=r, **facts, **held) for r in (0, 1)])
    table = posteriors(trials)
    assert table is not None
    assert [list(row.values()) for row in table.rows] == [
        ["s", "f", "2", "1.004", "400", "200", "66.7", "2", "1/2", "2/2"]
    ]
    assert posteriors(trials.assign(ess=np.nan)) is None


def test_a_run_of_which_every_trial_failed_has_a_page(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em", "direct"), restarts=2).plan()
    run = run_of(tmp_path / "run", plan, trials_of(plan, outcome="timeout"), **provenance())
    done = mixturebench("report", str(run))
    assert done.returncode == 0, done.stderr
    first, *_ = Page((run / "report.html").read_text()).tables
    assert [row[first[0].index("converged")] for row in first[1:]] == ["0/2", "0/2"]


def test_ticks_are_plain_text() -> None:
    powers = [power_of_ten(10.0**n) for n in (-3, -1, 0, 2, 12)]
    assert powers == ["10⁻³", "0.1", "1", "100", "10¹²"]


@pytest.mark.parametrize("schema", [1, 2])
def test_an_older_run_can_still_be_shown(folder: Path, tmp_path: Path, schema: int) -> None:
    run = json.loads((folder / "run" / RUN).read_text())
    lines = []
    for line in (folder / "run" / TRIALS).read_bytes().splitlines(keepends=True):
        record = from_line(line)
        assert record is not None
        record |= {"schema": schema, "data_digest": "of another form"}
        if schema == 1:  # its traces held NLLs, and its lines had no checksum
            record["trace"] = [[s, p, -0.1] for s, p, *_ in record.get("trace", [])]
            lines.append(json.dumps(record).encode() + b"\n")
        else:
            lines.append(to_line(record))
    if schema == 1:
        del run["plan"]["limits"]
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / RUN).write_text(json.dumps({**run, "schema": schema}))
    (tmp_path / "old" / TRIALS).write_bytes(b"".join(lines))
    done = mixturebench("report", "old", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "old" / "report.html").read_text()
    assert f"this run has schema {schema}" in text
    assert Page(text).tables[0] == Page((folder / "run" / "report.html").read_text()).tables[0]
    refused = mixturebench("compare", "old", str(folder / "run"), folder=tmp_path)
    assert refused.returncode == 2
    assert f"has schema {schema}" in refused.stderr
