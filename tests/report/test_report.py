"""The report of a run: its figures are recounted from the trials, its page is parsed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from html import unescape
from html.parser import HTMLParser
from io import StringIO
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from benchmarks.reference.scipy_mixture import ScipyMixture
from benchmarks.report import figures, formats
from benchmarks.report.columns import COMPARISON, POSTERIORS
from benchmarks.report.drawing import PALETTE, power_of_ten
from benchmarks.report.estimates import standard_errors, usual_jacobian, usual_values
from benchmarks.report.summary_text import verdict
from benchmarks.report.tables import Column, Table, markdown_table
from benchmarks.runner.choices import Choices
from benchmarks.runner.journal import RUN, TRIALS, from_line, to_line
from benchmarks.runner.session import provenance
from benchmarks.runner.status import Status
from benchmarks.scoring.data_set import DataSet
from benchmarks.scoring.posterior import posterior_summary
from benchmarks.scoring.summary import summarise
from scenarios.scenario import build
from tests.conftest import components, mixturebench, moved
from tests.scoring.test_facts import run_of, trials_of
from tests.scoring.test_summary import trial


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    done = mixturebench(
        "run", "--out", "run", "--scenario", "founding", "--scenario", "unequal", "--restarts", "4",
        "--fitter", "em", "--fitter", "newton:bins=1024", "--fitter", "gradient:max_epochs=40",
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
    """The number in a cell, in seconds where it is a time."""
    units = {"µs": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0}
    match = re.fullmatch(r"([-+\d.,e]+)(?: (µs|ms|s|min))?", cell)
    assert match, cell
    return float(match[1].replace(",", "")) * units.get(match[2], 1.0)


def test_the_first_table_can_be_recounted(folder: Path) -> None:
    trials = pd.read_parquet(folder / "run" / "trials.parquet")
    heading, *rows = Page((folder / "run" / "report.html").read_text()).tables[0]
    assert len(rows) == 3 * 2
    costs = trials.seconds + trials.start_seconds
    keys = [trials.scenario, trials.fitter, trials.start]
    at_reference = trials.n * (trials.optimum - trials.reference_nll).abs() <= 0.05
    trials["found"] = ~trials.status.isin(["spurious", "invalid"]) & at_reference
    trials["found"] &= trials.excess <= 1.0
    trials["converged"] = trials.found & (trials.excess <= 0.01)
    ert = (costs.groupby(keys).sum() / trials.converged.groupby(keys).sum()).unstack("scenario")
    spent = costs.groupby(keys).sum().unstack("scenario")
    best = ert.min()
    for row in rows:
        cells = dict(zip(heading, row, strict=True))
        key = (cells["fitter"], cells["start"])
        group = trials[(trials.fitter == key[0]) & (trials.start == key[1])]
        assert len(group) == 8
        for name, count in (("found", group.found.sum()), ("converged", group.converged.sum())):
            assert cells[f"{name} [95 %]"].startswith(f"{count / 8:.0%} [")
            assert cells[f"{name} [95 %]"].endswith(f", {count}/8")
        claims = group[group.claimed == True]  # noqa: E712 - None is no claim
        false, silent = claims.gain_left > 0.01, (claims.gain_left <= 0.01) & ~claims.found
        for name, wrong in (("false claims", false), ("silent failures", silent)):
            assert cells[name] == (f"{wrong.sum()}/{len(claims)}" if len(claims) else "–")
        expected = group.excess.fillna(np.inf).median()
        if np.isfinite(expected):
            assert number(cells["excess"]) == pytest.approx(expected, rel=0.06, abs=1e-8)
        usable = np.isfinite(best)
        ratios = ert.loc[key].where(np.isfinite(ert.loc[key]), spent.loc[key]) / best
        bound = cells["ERT ÷ best"].startswith(">")
        assert bound == (~np.isfinite(ert.loc[key])[usable]).any()
        ratio = float(cells["ERT ÷ best"].removeprefix("> ").removeprefix("× ").replace(",", ""))
        assert ratio == pytest.approx(np.exp(np.log(ratios[usable]).mean()), rel=0.01)


def test_the_map_adds_up_to_the_first_table(folder: Path) -> None:
    text = (folder / "run" / "report.html").read_text()
    ranking, convergence = Page(text).tables[:2]
    converged = {f"{row[0]}, {row[1]}": row[3] for row in ranking[1:]}
    assert convergence[0] == ["fitter", "founding", "unequal"]
    for label, *cells in convergence[1:]:
        counts = np.array([cell.split("/") for cell in cells], dtype=int).sum(axis=0)
        assert converged[label].endswith(f", {counts[0]}/{counts[1]}")
    # The shade is the interval's lower end: less certain cells are paler.
    for share, title in re.findall(r'--share:([\d.]+)" title="([^"]*)"', text):
        low = int(re.search(r"\[(\d+)–", title)[1])
        assert 100 * float(share) == pytest.approx(low, abs=1.01)


def test_all_tables_have_the_fitters_in_one_order(folder: Path) -> None:
    tables = Page((folder / "run" / "report.html").read_text()).tables
    orders = []
    for heading, *rows in tables:
        if heading[:2] == ["fitter", "start"]:
            orders.append([tuple(row[:2]) for row in rows])
    assert len(orders) > 3
    assert all(order == orders[0] for order in orders)


def test_rows_and_figures_name_the_fitters_that_the_filter_hides(folder: Path) -> None:
    page = Page((folder / "run" / "report.html").read_text())
    named = [json.loads(a["data-fitters"]) for _, a in page.tags if a.get("data-fitters")]
    fitters = {"em", "newton:bins=1024", "gradient:max_epochs=40"}
    assert {name for names in named for name in names} == fitters
    assert any(len(names) == 2 for names in named)
    figures = [a for tag, a in page.tags if tag == "figure"]
    traces = [json.loads(a["data-fitters"]) for a in figures if a.get("data-fitters")]
    assert ["em"] in traces


def test_points_of_figures_say_their_values(folder: Path) -> None:
    text = (folder / "run" / "report.html").read_text()
    titles = re.findall(r"<title>([^<]*)</title>", text)
    assert any(
        re.fullmatch(r"em, quantile on founding: excess \S+ at \S+ [mµ]?s", t) for t in titles
    )
    assert any(re.match(r"em, quantile.*: \d+% of targets at any cost", t) for t in titles)
    assert any(re.fullmatch(r"converged: \d+ restarts", t) for t in titles)


def test_markdown_and_csv_have_the_same_figures(folder: Path) -> None:
    trials = pd.read_parquet(folder / "run" / "trials.parquet")
    csv = mixturebench("report", "run", "--format", "csv", folder=folder)
    assert csv.returncode == 0, csv.stderr
    pd.testing.assert_frame_equal(
        pd.read_csv(StringIO(csv.stdout), keep_default_na=False, na_values=[""])
        .astype(object)
        .fillna(""),
        summarise(trials).astype(object).fillna(""),
        check_dtype=False,
    )
    done = mixturebench("report", "run", "--format", "md", "--out", "tables.md", folder=folder)
    assert done.returncode == 0, done.stderr
    lines = (folder / "tables.md").read_text().splitlines()
    first = [line for line in lines if line.startswith("|")][:8]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in first]
    page = Page((folder / "run" / "report.html").read_text()).tables[0]
    assert [cells[0], *cells[2:]] == page
    assert "`gradient:max_epochs=40`" in lines[0]


def test_a_cell_with_a_bar_stays_a_cell() -> None:
    assert markdown_table(["a", "b"], [["x|y", "1"]]).splitlines()[2] == "| x\\|y | 1 |"


def test_numbers_have_four_digits() -> None:
    table = Table.of_numbers("t", ["a", "b"], [[0.1234567, 1234567.0], [float("nan"), 2.0]])
    assert table.markdown().splitlines()[2:] == ["| 0.1235 | 1.235e+06 |", "| – | 2 |"]


def test_columns_format_a_value_or_a_row() -> None:
    row = {"a": 0.25, "b": 3, "c": float("inf")}
    assert Column("a", "share", ".0%").cell(row) == "25%"
    assert Column("a", "of", "{b} of {a}".format_map).cell(row) == "3 of 0.25"
    assert [Column(name, name).cell(row) for name in "abc"] == ["0.25", "3", "–"]


def test_the_page_is_whole_and_in_order(folder: Path) -> None:
    page = Page((folder / "run" / "report.html").read_text())
    names = [tag for tag, _ in page.tags]
    levels = [int(tag[1]) for tag in names if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert {"header", "nav", "main"} <= set(names)
    assert ("html", {"lang": "en"}) in page.tags
    assert all(attributes.get("scope") for tag, attributes in page.tags if tag == "th")
    # Every figure has a table and every picture a name; buttons are added by scripts alone.
    assert names.count("figure") == names.count("details") == names.count("figcaption")
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(picture["role"] == "img" and picture["aria-label"] for picture in pictures)
    assert "button" not in names
    scrolling = [parts for _, parts in page.tags if parts.get("class") in ("wide", "drawing")]
    assert all(parts["tabindex"] == "0" and parts["aria-label"] for parts in scrolling)


def ids_of(page: Page) -> list[str | None]:
    """The ids of a page's elements, which must be unique, and to which its links lead."""
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes.get("href") or "" for tag, attributes in page.tags if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)
    return ids


def test_the_glossary_explains_columns_and_statuses(folder: Path) -> None:
    text = unescape((folder / "run" / "report.html").read_text())
    ids = ids_of(Page(text))
    assert {f"m-{column.name}" for column in COMPARISON} <= set(ids)
    for status in Status:
        assert f"<dt>{status}</dt><dd>{status.meaning}</dd>" in text
    assert not {"basin", "close", "yardstick"} & {
        cell for table in Page(text).tables for row in table for cell in row
    }


def test_svg_has_text_page_colours_and_no_group_ids(folder: Path) -> None:
    text = (folder / "run" / "report.html").read_text()
    drawn = re.findall(r"<svg [^>]*class=\"figure\".*?</svg>", text, re.S)
    assert len(drawn) == Page(text).tags.count(("figcaption", {}))
    for figure in drawn:
        assert "<text" in figure
        assert "var(--ink)" in figure
        assert not any(light in figure for name, (light, _) in PALETTE.items() if name != "paper")
        used = set(re.findall(r'(?:url\(|href=")#([^")]+)', figure))
        assert used == set(re.findall(r' id="([^"]+)"', figure))


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


def ranked(**values: object) -> dict:
    base = {"fitter": "em", "start": "quantile", "restarts": 10, "converged": 10, "rate": 1.0,
            "rate_low": 0.72, "rate_high": 1.0, "found": 10, "ert_seconds": 0.01, "claims": 10,
            "cost_ratio": 1.0, "false_claims": 0, "silent_failures": 0, "others": "",
            "scenarios": 1}  # fmt: skip
    return {**base, **values}


FAILING = ranked(
    fitter="gradient", converged=3, rate=0.3, found=5, rate_low=0.11, rate_high=0.6,
    false_claims=2, silent_failures=1, others="4 local, 1 spurious",
)  # fmt: skip


def test_the_verdict_is_made_of_the_figures() -> None:
    direct = ranked(fitter="direct", restarts=4, converged=4, found=4, ert_seconds=0.5)
    assert " ".join(verdict(pd.DataFrame([ranked(), direct, FAILING]), 1)) == (
        "`em` from quantile starts converged to the optimum in 100% [72–100 %] of 10 restarts, at "
        "10 ms a success. So did `direct` (4 of 4) at 500 ms a success. `gradient` from quantile "
        "starts found the optimum in 5 of 10, and converged in 3 [11–60 %]; the others: 4 local, "
        "1 spurious. It claimed convergence of 10 fits: 2 were not stationary, and 1 stood at "
        "another optimum."
    )
    failed = pd.DataFrame([ranked(converged=0, rate=0.0, found=3, scenarios=2)])
    assert verdict(failed, 2) == [
        "No method converged to the optimum in any of its restarts on 2 scenarios.",
        "`em` from quantile starts found it most often within the noise: in 3 of 10.",
    ]

    (sentence,) = verdict(pd.DataFrame([ranked(scenarios=2, ert_seconds=np.nan)]), 3)
    assert sentence.endswith("of 10 restarts on the 2 of 3 scenarios to which it applies.")


def test_over_scenarios_the_verdict_compares_costs_by_their_ratio() -> None:
    rows = [ranked(scenarios=2, ert_seconds=np.nan),
            ranked(fitter="direct", scenarios=2, ert_seconds=np.nan, cost_ratio=2.5)]  # fmt: skip
    assert verdict(pd.DataFrame(rows), 2)[1] == "So did `direct` at × 2.5 the cost."


@pytest.mark.parametrize(
    ("changes", "ending"),
    [
        ({"claims": 0}, "; the others: 5 local. It claimed convergence of none."),
        ({"found": 10}, "found the optimum in 10 of 10, and converged in 3 [11–60 %]."),
    ],
)
def test_the_verdict_says_what_the_last_claims_of_its_failures(changes: dict, ending: str) -> None:
    sentences = verdict(pd.DataFrame([ranked(), {**FAILING, "others": "5 local", **changes}]), 1)
    assert sentences[-1].endswith(ending)


def test_the_verdict_names_the_most_false_claims() -> None:
    last = ranked(fitter="direct", converged=0, rate=0.0, found=0, claims=0, others="10 local")
    assert verdict(pd.DataFrame([ranked(), FAILING, last]), 1)[-1] == (
        "`gradient` from quantile starts claimed convergence of 10 fits: 2 were not stationary, "
        "and 1 stood at another optimum."
    )


def test_the_verdict_says_that_no_data_set_can_tell() -> None:
    rows = pd.DataFrame([ranked(restarts=0, converged=0, rate=np.nan)])
    assert verdict(rows, 1)[0].startswith("No data set of this run can tell methods apart")


@pytest.mark.parametrize("name", ["beta", "normal", "student_t"])
def test_errors_are_carried_to_usual_parameters(name: str) -> None:
    mixture = ScipyMixture(name, np.array([0.5, 0.2, 0.3]), components(name))
    step = 1e-6
    numeric = np.stack(
        [
            (usual_values(moved(mixture, i, step)) - usual_values(moved(mixture, i, -step)))
            / (2.0 * step)
            for i in range(mixture.size)
        ],
        axis=1,
    )
    assert_allclose(usual_jacobian(mixture), numeric, atol=1e-7)


def test_cramer_rao_bounds_of_one_normal_are_the_known_ones(tmp_path: Path) -> None:
    content = {"title": "t", "family": "normal", "n": 400,
               "components": [{"weight": 1.0, "mu": 3.0, "sigma": 2.0}]}  # fmt: skip
    data_set = DataSet.of(build("one", content, tmp_path), 0, 0)
    assert data_set.truth is not None
    # The mean's is σ/√n, the standard deviation's σ/√(2n); a lone weight is 1.
    expected = [0.0, 2.0 / np.sqrt(400.0), 2.0 / np.sqrt(800.0)]
    bound = np.linalg.inv(data_set.sample.size * data_set.truth.information)
    assert_allclose(standard_errors(data_set.truth, bound), expected, atol=1e-9)


def test_a_table_of_posteriors_has_counts_and_rates() -> None:
    facts = {"r_hat": 1.0042, "divergences": 1.0, "cold_setup_cpu_seconds": 8.0,
             "cpu_seconds": 2.0, "ess_tail": 300.0, "predictive_kl": 0.01, "healthy": True,
             "reference_kl": 0.0123}  # fmt: skip
    covered = {"covered_50": [True, False], "covered_90": [True, True]}
    trials = pd.DataFrame([trial(ess=400.0, restart=r, **facts, **covered) for r in (0, 1)])
    assert Table.of("t", POSTERIORS, posterior_summary(trials)).cells == [
        ["s", "f", "2/2", "0", "1.004", "400", "300", "200", "40", "2", "0.01", "0.0123", "1/2",
         "2/2"]
    ]  # fmt: skip
    assert Table.of("t", POSTERIORS, posterior_summary(trials.assign(ess=np.nan))).cells == []


def test_a_run_of_which_every_trial_failed_has_a_page(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em", "direct"), restarts=2).plan()
    run = run_of(tmp_path / "run", plan, trials_of(plan, outcome="timeout"), **provenance())
    done = mixturebench("report", str(run))
    assert done.returncode == 0, done.stderr
    first, *_ = Page((run / "report.html").read_text()).tables
    cells = [row[first[0].index("converged [95 %, these data]")] for row in first[1:]]
    assert [cell.split(", ")[1] for cell in cells] == ["0/2", "0/2"]


def test_ticks_are_plain_text() -> None:
    powers = [power_of_ten(10.0**n) for n in (-3, -1, 0, 2, 12)]
    assert powers == ["10⁻³", "0.1", "1", "100", "10¹²"]


def test_missing_trials_are_warned_of(tmp_path: Path) -> None:
    plan = Choices(scenarios=("small",), fitters=("em",), restarts=3).plan()
    run = run_of(tmp_path / "run", plan, trials_of(plan, outcome="timeout")[:1], **provenance())
    done = mixturebench("report", str(run), "--format", "md")
    assert done.returncode == 0, done.stderr
    missing = (
        "- 2 of the planned trials are missing from every figure: to run them: mixturebench run"
    )
    assert missing in done.stdout


def test_a_run_of_the_mandatory_fields_alone_can_be_shown(folder: Path, tmp_path: Path) -> None:
    mandatory = ("schema", "scenario", "replicate", "fitter", "start", "restart", "outcome",
                 "weights", "parameters")  # fmt: skip
    run = json.loads((folder / "run" / RUN).read_text())
    del run["plan"]["limits"]
    lines = []
    for line in (folder / "run" / TRIALS).read_bytes().splitlines(keepends=True):
        record = from_line(line)
        assert record is not None
        lines.append(to_line({name: record[name] for name in mandatory}))
    (tmp_path / "old").mkdir()
    content = {name: run[name] for name in ("schema", "contract", "plan")}
    (tmp_path / "old" / RUN).write_text(json.dumps(content))
    (tmp_path / "old" / TRIALS).write_bytes(b"".join(lines))
    done = mixturebench("report", "old", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    tables = [
        Page((path / "report.html").read_text()).tables[0]
        for path in (tmp_path / "old", folder / "run")
    ]
    (old, new) = ({tuple(row[:5]) for row in table} for table in tables)
    assert old == new


def test_a_run_of_another_schema_is_refused(folder: Path, tmp_path: Path) -> None:
    run = json.loads((folder / "run" / RUN).read_text())
    (tmp_path / RUN).write_text(json.dumps({**run, "schema": 3}))
    for arguments in (["report", str(tmp_path)], ["compare", str(tmp_path), str(folder / "run")]):
        done = mixturebench(*arguments)
        assert done.returncode == 2
        assert "has schema 3" in done.stderr


@pytest.fixture
def add_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[ModuleType, str, str], None]]:
    """Add a module of some source to a package, as a file that an author adds."""
    names = []

    def add(package: ModuleType, name: str, source: str) -> None:
        (tmp_path / "added").mkdir(exist_ok=True)
        (tmp_path / "added" / f"{name}.py").write_text(source)
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path / "added")])
        names.append(f"{package.__name__}.{name}")

    yield add
    for name in names:
        sys.modules.pop(name, None)


FIGURE = """
from benchmarks.report.figures.base import Figure
from benchmarks.report.tables import Column, Table

class Counts(Figure):
    name = "counts"
    order = 1.5
    scope = "SCOPE"
    title = "Trials of each fitter"
    caption = "How many trials each fitter had."

    def draw(self, canvas):
        counts = self.source.trials["fitter"].value_counts()
        canvas.subplots().bar(counts.index, counts)

    def numbers(self):
        columns = [Column("fitter", "fitter"), Column("count", "trials", meaning="Trials run.")]
        counts = self.source.trials["fitter"].value_counts()
        return Table.of(self.title, columns, counts.reset_index())
"""


@pytest.mark.parametrize(("scope", "each"), [("run", 16), ("scenario", 8)])
def test_a_figure_is_one_file(
    folder: Path, tmp_path: Path, add_module: Callable, scope: str, each: int
) -> None:
    add_module(figures, "counts", FIGURE.replace("SCOPE", scope))
    done = mixturebench(
        "report", "run", "--out", str(tmp_path / "x.html"), "--figures", str(tmp_path / "drawn"),
        folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "x.html").read_text()
    page = Page(text)
    counted = [table[1:] for table in page.tables if table[0] == ["fitter", "trials"]]
    fitters = ("em", "newton:bins=1024", "gradient:max_epochs=40")
    assert len(counted) == (1 if scope == "run" else 2)
    assert all(
        {tuple(row) for row in rows} == {(f, str(each)) for f in fitters} for rows in counted
    )
    assert "m-count" in ids_of(page)
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", text)
    places = [index for index, caption in enumerate(captions) if caption.startswith("How many")]
    assert places == ([1] if scope == "run" else [3, 9])  # after the first figure of its scope
    stems = {path.stem for path in (tmp_path / "drawn").iterdir() if "counts" in path.stem}
    assert stems == ({"counts"} if scope == "run" else {"founding-counts", "unequal-counts"})


def test_a_copy_of_the_density_figure_is_a_figure(
    folder: Path, tmp_path: Path, add_module: Callable
) -> None:
    source = (Path(figures.__file__).parent / "density.py").read_text()
    add_module(figures, "copied", source.replace('name = "density"', 'name = "copied"'))
    out = tmp_path / "x.html"
    done = mixturebench("report", "run", "--out", str(out), folder=folder)
    assert done.returncode == 0, done.stderr
    ids_of(Page(out.read_text()))
    captions = re.findall(r"<figcaption>(The data as a histogram.*?)</figcaption>", out.read_text())
    assert len(captions) == 4


FORMAT = """
from benchmarks.report.formats.base import Format

class Text(Format):
    name = extension = "txt"

    def render(self, page):
        return " ".join(page.verdict).upper()
"""


def test_a_format_is_one_file(folder: Path, add_module: Callable) -> None:
    refused = mixturebench("report", "run", "--format", "txt", folder=folder)
    assert refused.returncode == 2
    assert "known: csv, html, md" in refused.stderr
    add_module(formats, "text", FORMAT)
    done = mixturebench("report", "run", "--format", "txt", folder=folder)
    assert done.returncode == 0, done.stderr
    markdown = mixturebench("report", "run", "--format", "md", folder=folder)
    assert f"**{done.stdout}**" == markdown.stdout.splitlines()[0].upper()
    # Not for terminals: it is written beside the run.
    written = FORMAT.replace("class Text", "class File").replace(
        '"txt"\n', '"file"\n    printed = False\n'
    )
    add_module(formats, "file", written)
    done = mixturebench("report", "run", "--format", "file", folder=folder)
    assert done.stdout == "Report: run/report.file\n"
    assert (
        f"**{(folder / 'run' / 'report.file').read_text()}**"
        == markdown.stdout.splitlines()[0].upper()
    )


def test_a_data_set_without_reference_ends_nothing(tmp_path: Path) -> None:
    # 120 equal values: Student's t shrinks onto them, and its likelihood grows without bound.
    x = np.concatenate([np.ones(120), np.random.default_rng(0).normal(size=80)])
    np.save(tmp_path / "heap.npy", x)
    (tmp_path / "heap.toml").write_text(
        'title = "t"\nfamily = "student_t"\n[data]\nfile = "heap.npy"\ncomponents = 1\n'
    )
    done = mixturebench(
        "run", "--scenario", "small", "--scenario", "heap.toml", "--fitter", "direct", "--fitter",
        "gradient:max_epochs=20", "--restarts", "2", "--out", "run", folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet").set_index("scenario")
    assert set(trials.loc["heap", "status"]) == {"no_reference", "spurious"}
    assert "converged" in set(trials.loc["small", "status"])
    assert "heap, data set 0 has no reference" in " ".join(done.stdout.split())
    page = (tmp_path / "run" / "report.html").read_text("utf-8")
    assert "no optimum of these data is admissible" in page
    assert page.count("The first data set is in no rate: no reference.") == 1
    same = mixturebench("compare", "run", "run", folder=tmp_path)
    assert same.returncode == 0, same.stdout + same.stderr
