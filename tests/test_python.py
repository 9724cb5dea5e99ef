"""The Python API: the lines of its page, fitters of one's own, data of one's own, errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from pydantic.dataclasses import dataclass
from scipy import stats

import mixturebench as mb
from benchmarks.runner.journal import read, read_run
from tests.conftest import environment, mixturebench, process

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
MINE, LINES = "", ""
for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S):
    if "class Mine" in block:
        MINE = block
    else:
        LINES = block.replace("restarts=20", "restarts=3")
DATA = """
import numpy as np
x = np.random.default_rng(0).beta([10.0, 1.5], [1.5, 10.0], size=(500, 2)).ravel()
grid = np.linspace(0.01, 0.99, 9)
"""
"""What the page's lines take as given, besides its class."""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The class ``Mine``, as a user's own module has it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "mine_of_a_test.py").write_text(MINE, "utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import mine_of_a_test  # type: ignore[import-not-found]

        yield mine_of_a_test.Mine


def test_the_lines_of_the_page_run(
    mine: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"Mine": mine}
    exec(DATA + LINES, names)
    x, grid = names["x"], names["grid"]
    run, reference, answer = names["run"], names["reference"], names["answer"]
    assert set(run.trials["fitter"]) == {"em", "direct", "mine:step=0.5"}
    assert len(run.trials) == 2 * 3 * 3
    assert set(run.trials["status"]) == {"converged"}
    assert run.summary()["restarts"].tolist() == [3] * 6
    assert "18 of 18 trials" in repr(run)
    assert run._repr_html_().startswith("<iframe srcdoc=")
    # The optimum of x, by scipy's densities alone.
    rows = np.array(reference.parameters)
    density = np.array(reference.weights) @ stats.beta.pdf(x, rows[:, [0]], rows[:, [1]])
    assert reference.log_likelihood == pytest.approx(np.log(density).sum(), abs=1e-6)
    assert names["score"].status == "converged"
    assert names["score"].nll == pytest.approx(-np.log(density).mean(), abs=1e-6)
    assert answer.family.name == "normal"
    assert_allclose(names["shares"], answer.mixture.cdf(grid), rtol=1e-10)
    assert names["fitted"].claimed is True
    expected = 0.5 * stats.beta.pdf(grid, 10, 1.5) + 0.5 * stats.beta.pdf(grid, 1.5, 10)
    assert_allclose(names["density"], np.log(expected))


@pytest.mark.slow
def test_the_lines_of_the_page_run_in_a_notebook(tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    cells = [DATA, MINE, LINES, "run", "answer", "reference"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        metadata = {"metadata": {"path": str(tmp_path)}}
        NotebookClient(notebook, timeout=500, resources=metadata).execute()
    shown = [cell.outputs[-1]["data"] for cell in notebook.cells[3:]]
    assert shown[0]["text/html"].startswith("<iframe srcdoc=")
    assert "Run in demo: 18 of 18 trials" in shown[0]["text/plain"]
    assert shown[1]["text/html"].startswith("<iframe srcdoc=")
    assert "normal component" in shown[1]["text/plain"]
    assert "·Beta(" in shown[2]["text/plain"]
    stored = read_run(tmp_path / "demo")["plan"]["own_fitters"]["mine:step=0.5"]
    assert re.fullmatch(r"[0-9a-f]{64}", stored["source"])


def test_a_run_goes_on_and_grows(mine: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    mb.run(["small"], ["em", mine(step=0.5)], restarts=2, out=out)
    before = (out / "trials.jsonl").read_bytes()
    mb.run(["small"], ["em", mine(step=0.5)], restarts=2, out=out)
    assert (out / "trials.jsonl").read_bytes() == before
    run = mb.run(fitters=["direct"], restarts=3, data_sets=2, out=out)
    counts = run.trials.groupby(["fitter", "replicate"]).size().to_dict()
    assert counts == {
        ("em", 0): 2, ("em", 1): 2, ("mine:step=0.5", 0): 2, ("mine:step=0.5", 1): 2,
        ("direct", 0): 3, ("direct", 1): 3,
    }  # fmt: skip
    assert (out / "trials.jsonl").read_bytes().startswith(before)
    # Trials that were run later are those that one run would have had.
    once = mb.run(["small"], ["em", mine(step=0.5), "direct"], restarts=3, data_sets=2,
                  out=tmp_path / "once")  # fmt: skip
    keys = ["fitter", "replicate", "restart"]
    both = run.trials.merge(once.trials, on=keys, suffixes=("", "_once"))
    assert len(both) == len(run.trials)
    assert both["nll"].tolist() == both["nll_once"].tolist()


def test_reading_a_run_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "run"
    mb.run(["small"], ["em"], restarts=2, out=out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    run = mb.load(out)
    assert len(run.trials) == 2
    assert "2 of 2 trials" in repr(run)
    assert run.report("md").startswith("**`em`")
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_another_class_of_the_same_name_is_refused(tmp_path: Path) -> None:
    out, path = tmp_path / "run", tmp_path / "mine.py"
    blended = "blend(one, two, self.step)"
    text = MINE.replace("one + self.step * (two - one)", blended)
    assert blended in text
    text += "\n\ndef blend(one, two, step):\n    return one + step * (two - one)\n"
    path.write_text(text, "utf-8")
    spec = f"{path}:Mine:step=0.5"
    mb.run(["small"], [spec], restarts=1, out=out)
    # A comment elsewhere in the file is no change; the class and a function that it uses are.
    path.write_text(f"{text}\n# a note\n", "utf-8")
    mb.run(["small"], [spec], restarts=2, out=out)
    for before, after in (("one + step", "one + 0.9 * step"), ("range(300)", "range(299)")):
        path.write_text(text.replace(before, after), "utf-8")
        with pytest.raises(mb.UserError, match=r"another fitter mine:step=0\.5, whose"):
            mb.run(["small"], [spec], restarts=3, out=out)
    assert len(read(out)[1]) == 2


@dataclass(frozen=True)
class Open(mb.Fitter):
    """A fitter that can't be pickled."""

    lock: Any = None


def test_a_fitter_that_cannot_be_pickled_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(mb.UserError, match="can't be pickled"):
        mb.run(["small"], [Open(threading.Lock())], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_fitter_with_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    class Impostor(mb.Fitter):
        name = "em"

    with pytest.raises(mb.UserError, match="named 'em', which is taken"):
        mb.run(["small"], [Impostor()], out=tmp_path / "run")


@pytest.mark.parametrize("decorator", ["", "from dataclasses import dataclass"])
def test_a_fitter_that_is_no_pydantic_dataclass_is_refused(decorator: str, tmp_path: Path) -> None:
    # The standard library's would take "3" at the prompt as text.
    text = MINE.replace("from pydantic.dataclasses import dataclass", decorator)
    if not decorator:
        text = text.replace("@dataclass(frozen=True)\n", "")
    (tmp_path / "mine.py").write_text(text, "utf-8")
    for arguments in (["check", "./mine.py"], ["run", "--fitter", "./mine.py", "--out", "run"]):
        done = mixturebench(*arguments, folder=tmp_path)
        assert done.returncode in (1, 2)
        assert "put @dataclass(frozen=True) from pydantic.dataclasses" in done.stdout + done.stderr
    assert not (tmp_path / "run").exists()


def test_a_misspelt_setting_is_refused_in_python_as_at_the_prompt(mine: Any) -> None:
    with pytest.raises(mb.UserError, match="no em setting 'tolerence': did you mean 'tolerance'"):
        mb.EM(tolerence=1.0)  # type: ignore[call-arg]
    with pytest.raises(mb.UserError, match="no mine setting 'stp': did you mean 'step'"):
        mine(stp=1)


def test_a_file_of_a_fitter_at_the_prompt(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    plan = ("--scenario", "small", "--restarts", "2", "--no-report", "--out", "run")
    done = mixturebench("run", *plan, "--fitter", "./mine.py:step=0.5", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    # Its worker needs no file: the run has the class.
    (tmp_path / "mine.py").unlink()
    done = mixturebench("run", "--out", "run", "--restarts", "3", "--wide", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    assert trials["fitter"].tolist() == ["mine:step=0.5"] * 3
    assert set(trials["status"]) == {"converged"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("./none.py", "there is no file ./none.py"),
        ("./mine.py:Min", "did you mean 'Mine'"),
        ("./mine.py:Mine:stepp=1", "did you mean 'step'"),
        ("./mine.py:Mine:step=x", "step=x: it should be a valid number"),
        ("./broken.py", "can't be imported: ZeroDivisionError"),
        ("./empty.py", "defines no fitter: derive a class from mixturebench.Fitter"),
        ("./two.py", "defines One, Two: name one, as ./two.py:One"),
    ],
)
def test_a_wrong_file_of_a_fitter_is_an_error_of_one_sentence(
    tmp_path: Path, spec: str, words: str
) -> None:
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    (tmp_path / "broken.py").write_text("1 / 0\n", "utf-8")
    (tmp_path / "empty.py").write_text("from fitters.base import Fitter\n", "utf-8")
    two = "class One(Fitter):\n    pass\nclass Two(Fitter):\n    pass\n"
    (tmp_path / "two.py").write_text(f"from fitters.base import Fitter\n{two}", "utf-8")
    done = mixturebench("run", "--fitter", spec, "--out", "run", folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_data_of_ones_own(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.normal(0, 1, 150), generator.normal(6, 1, 150)])
    pd.DataFrame({"id": range(300), "cm": x}).to_csv(tmp_path / "heights.csv", index=False)
    plan = ("--fitter", "em", "--restarts", "2", "--out", "run", "--family", "normal")
    done = mixturebench("run", "--data", "heights.csv", "--column", "cm", *plan, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    trials = pd.read_parquet(tmp_path / "run" / "trials.parquet")
    array = mb.run(data=x, family="normal", fitters=["em"], restarts=2, out=tmp_path / "array")
    for table in (trials, array.trials):
        assert set(table["n"]) == {300}
        assert set(table["status"]) == {"converged"}
        for row in table.itertuples():
            mu, sigma = np.array(list(row.parameters)).T[:, :, None]
            density = np.array(row.weights) @ stats.norm.pdf(x, mu, sigma)
            assert row.nll == pytest.approx(-np.log(density).mean(), abs=1e-9)
    assert set(trials["scenario"]) == {"heights"}
    piped = process(
        "run", "--data", "-", *plan[:-4], "--family", "normal", "--out", "piped",
        folder=tmp_path, text="\n".join(map(str, x)),
    )  # fmt: skip
    assert piped.returncode == 0, piped.stderr
    assert set(mb.load(tmp_path / "piped").trials["nll"]) == set(array.trials["nll"])
    grown = mb.run(data=x, family="normal", fitters=["em"], restarts=3, out=tmp_path / "array")
    assert len(grown.trials) == 3
    with pytest.raises(mb.UserError, match="holds other data"):
        mb.run(data=x + 1.0, family="normal", restarts=3, out=tmp_path / "array")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "x.csv"], "--data needs --family"),
        (["--data", "none.csv", "--family", "normal"], "there is no file none.csv"),
        (["--data", "x.csv", "--family", "normal", "--scenario", "small"], "exclude each other"),
        (["--family", "normal"], "--family is for --data"),
        (["--data", "x.csv", "--family", "norml"], "did you mean 'normal'"),
        (["--data", "x.csv", "--family", "normal", "--components", "0"], "components=0"),
        (["--data", "x.csv", "--family", "normal", "--column", "b"], "no column 'b'"),
        (["--data", "x.csv", "--family", "normal", "--data-sets", "2"], "has one data set"),
        (
            ["--data", "x.csv", "--family", "normal", "--against", "."],
            "--against runs",
        ),
    ],
)
def test_wrong_data_are_an_error_of_one_sentence(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    (tmp_path / "x.csv").write_text("a\n" + "\n".join(map(str, range(20))))
    done = mixturebench("run", *arguments, "--out", "run", folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Value error" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_progress_is_called_with_every_trial(tmp_path: Path) -> None:
    seen: list[Any] = []
    mb.run(["small"], ["em", "direct"], restarts=2, out=tmp_path / "run", progress=seen.append)
    assert [progress.done for progress in seen] == [0, 1, 2, 3, 4]
    assert {progress.planned for progress in seen} == {4}
    assert (seen[-1].cells_done, seen[-1].cells) == (2, 2)


def test_mixtures_take_names() -> None:
    mixture = mb.Mixture("normal", weights=[0.25, 0.75], mu=[-1, 2], sigma=[1, 0.5])
    assert repr(mixture) == "0.25·Normal(-1, 1) + 0.75·Normal(2, 0.5)"
    x = np.array([[-1.0, 0.0], [2.0, 3.0]])
    expected = 0.25 * stats.norm.pdf(x, -1, 1) + 0.75 * stats.norm.pdf(x, 2, 0.5)
    assert_allclose(mixture.pdf(x), expected)
    assert_allclose(mixture.logpdf(x), np.log(expected))
    beta = mb.Mixture("beta", weights=[1.0], alpha=[2], beta=[3])
    assert_allclose(beta.pdf([-0.5, 0.0, 0.5, 1.0, 1.5]), [0, 0, stats.beta.pdf(0.5, 2, 3), 0, 0])


@pytest.mark.parametrize(
    ("weights", "parameters", "words"),
    [
        ([0.5, 0.5], {"mu": [0, 1], "sgma": [1, 1]}, "sigma is missing, sgma is none of them"),
        ([0.5, 0.5], {"mu": [0, 1]}, "sigma is missing: give"),
        ([0.5, 0.5], {"mu": [0, 1, 2], "sigma": [1, 1]}, "mu has the shape"),
        ([0.5, 0.6], {"mu": [0, 1], "sigma": [1, 1]}, "its weights sum to 1.1; they must"),
        ([1.5, -0.5], {"mu": [0, 1], "sigma": [1, 1]}, "its weights are [1.5, -0.5]; give"),
        ([0.5, 0.5], {"mu": [0, 1], "sigma": [1, -1]}, "its sigma is [1.0, -1.0]; give positive"),
        ([0.5, 0.5], {"mu": [0, np.inf], "sigma": [1, 1]}, "its mu is [0.0, inf]; give finite"),
    ],
)
def test_wrong_mixtures_are_refused(weights: list, parameters: dict, words: str) -> None:
    with pytest.raises(mb.UserError, match=re.escape(words)):
        mb.Mixture("normal", weights, **parameters)


def test_one_mixture_is_scored_as_a_run_scores_it() -> None:
    x = np.random.default_rng(0).normal([0.0, 5.0], 1.0, size=(200, 2)).ravel()
    reference = mb.reference(x, family="normal")
    best = mb.score(reference.mixture, x, reference)
    assert (best.status, best.excess) == ("converged", pytest.approx(0.0, abs=1e-9))
    poor = mb.Mixture("normal", [0.5, 0.5], mu=[0, 4], sigma=[1, 1])
    score = mb.score(poor, x)
    density = poor.pdf(x)
    assert score.nll == pytest.approx(-np.log(density).mean())
    gap = reference.log_likelihood - np.log(density).sum()
    assert score.excess == pytest.approx(2.0 * gap / 5, abs=1e-6)
    assert score.status == "unfinished"
    fitted = mb.EM().fit(x, family="normal", components=2, start=poor)
    assert mb.score(fitted, x, reference) == mb.score(fitted.mixture, x, reference)
    with pytest.raises(mb.UserError, match="a str is no mixture"):
        mb.score("gamma", x, reference)  # type: ignore[arg-type]
    with pytest.raises(mb.UserError, match="the reference is of 2 normal"):
        mb.score(mb.Mixture("normal", [1.0], mu=[0], sigma=[1]), x, reference)


def test_an_optimum_has_the_densities_of_a_mixture() -> None:
    x = np.random.default_rng(0).gamma([2.0, 40.0], 1.0, size=(200, 2)).ravel()
    found = mb.reference(x, family="gamma", components=2).mixture
    same = mb.Mixture("gamma", found.weights, found.parameters)
    points = np.array([[-1.0, 0.5], [3.0, 40.0]])
    for mixture in (found, same):
        shape, rate = mixture.parameters.T[:, :, None, None]
        density = stats.gamma.pdf(points, shape, scale=1.0 / rate)
        expected = np.tensordot(mixture.weights, density, axes=1)
        assert_allclose(mixture.pdf(points), expected)
        assert mixture.logpdf(points)[0, 0] == -np.inf
        numbers = [0.5, 3.0, 40.0]
        joint = mixture.weights[:, None] * stats.gamma.pdf(
            numbers, shape[:, 0], scale=1 / rate[:, 0]
        )
        assert_allclose(mixture.responsibilities(numbers), joint / joint.sum(axis=0))
        below = stats.gamma.cdf(numbers, shape[:, 0], scale=1 / rate[:, 0])
        assert_allclose(mixture.cdf(numbers), mixture.weights @ below)


def test_a_mixture_is_sampled_by_a_seed() -> None:
    mixture = mb.Mixture("normal", weights=[0.25, 0.75], mu=[-1, 2], sigma=[0.1, 0.5])
    x = mixture.sample(4000, seed=1)
    assert x.shape == (4000,)
    assert x.tolist() == mixture.sample(4000, seed=1).tolist()
    assert x.tolist() != mixture.sample(4000, seed=2).tolist()
    assert stats.kstest(x, mixture.cdf).pvalue > 1e-3


def test_groups_are_the_posterior_probabilities() -> None:
    x = np.random.default_rng(0).normal([0.0, 5.0], 1.0, size=(200, 2)).ravel()
    answer = mb.fit(x, family="normal", components=2)
    weights, rows = answer.mixture.weights, answer.mixture.parameters
    joint = weights[:, None] * stats.norm.pdf(x, rows[:, [0]], rows[:, [1]])
    groups = answer.groups
    assert_allclose(groups["probability_2"], joint[1] / joint.sum(axis=0), atol=1e-9)
    assert groups["group"].tolist() == (joint.argmax(axis=0) + 1).tolist()
    assert groups["value"].tolist() == x.tolist()


@pytest.mark.parametrize(
    "call",
    [
        lambda: mb.fit(np.array([1.0, np.nan, 2.0]), family="normal"),
        lambda: mb.fit(["a", "b"]),
        lambda: mb.fit(np.ones((3, 3))),
        lambda: mb.fit(np.arange(9.0), components=range(3, 3)),
        lambda: mb.fit(np.arange(9.0), components=[1, 3]),
        lambda: mb.reference(np.arange(9.0)),
        lambda: mb.reference(np.arange(3.0), family="normal", components=4),
        lambda: mb.EM().fit(np.arange(9.0), family="weibull"),
        lambda: mb.EM(tolerence=1),
        lambda: mb.run(["fonding"]),
        lambda: mb.estimate(restrats=3),
        lambda: mb.run(["small"], [3]),  # type: ignore[list-item]
        lambda: mb.load("nowhere"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_user_error(call: Any) -> None:
    with pytest.raises(mb.UserError):
        call()


def test_python_says_what_the_command_line_says(tmp_path: Path) -> None:
    done = mixturebench("run", "--scenario", "fonding", folder=tmp_path)
    with pytest.raises(mb.UserError) as error:
        mb.run(["fonding"])
    assert done.stderr == f"mixturebench: {error.value}\n"


def test_a_dry_run_writes_nothing_and_estimates_from_earlier_runs(tmp_path: Path) -> None:
    plan = ("--scenario", "small", "--fitter", "em", "--restarts", "4")
    unknown = mixturebench("run", *plan, "--dry-run", folder=tmp_path)
    assert unknown.returncode == 0, unknown.stderr
    assert "4 trials to run" in unknown.stdout
    assert "a time that no earlier run shows" in unknown.stdout
    assert "Not counted" not in unknown.stdout
    assert list(tmp_path.iterdir()) == []
    earlier = tmp_path / "results" / "runs" / "one"
    mb.run(["small"], ["em"], restarts=2, out=earlier, workers=1)
    mb.run(["unequal"], ["em"], restarts=2, out=earlier.with_name("two"), workers=1)
    records = read(earlier)[1]
    each = np.median([r["seconds"] + r["start_seconds"] for r in records])
    setup = np.median([r["setup_seconds"] for r in records])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        estimate = mb.estimate(scenarios=["small"], fitters=["em"], restarts=4, workers=1)
        grown = mb.estimate(restarts=4, out=earlier, workers=1)
    assert estimate.seconds == pytest.approx(setup + 4 * each)
    assert grown.seconds == pytest.approx(setup + 2 * each)
    assert estimate.unknown == []
    assert repr(estimate).startswith(f"4 trials to run into {estimate.folder}: about ")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        both = mb.estimate(["small"], ["em", "newton"], restarts=4, workers=1)
    assert both.unknown == ["newton"]
    assert "for want of an earlier run: newton" in repr(both)
    assert "for want" not in mixturebench("run", *plan, "--dry-run", folder=tmp_path).stdout


def test_the_cache_is_shown_and_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIXTUREBENCH_CACHE", str(tmp_path / "cache"))
    mb.reference(np.random.default_rng(0).normal(size=50), family="normal", components=1)
    (tmp_path / "cache" / "mine.json").write_text("a user's own")
    assert "1 references" in mixturebench("cache").stdout
    assert "1 references" in mixturebench("cache", "--clear").stdout
    assert "0 references" in mixturebench("cache").stdout
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["mine.json"]


def test_what_is_printed_fits_eighty_columns(tmp_path: Path) -> None:
    names = ("em", "newton:bins=1024,batch=2", "em:accelerate=false,max_iterations=3")
    fitters = [part for name in names for part in ("--fitter", name)]
    plan = ("--scenario", "small", "--scenario", "unequal", "--restarts", "2", "--out", "run")
    done = mixturebench("run", *plan, *fitters, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(("em ", "newton"))
    assert "converged to the optimum in" in " ".join(lines[:3])
    compared = mixturebench("compare", "run", "run", folder=tmp_path).stdout.splitlines()
    for line in [*lines, *compared]:
        assert len(line) <= 80, line
        assert line == line.rstrip()
    wide = mixturebench("score", "run", "--wide", folder=tmp_path).stdout
    assert "Hellinger" in wide
    assert "Hellinger" not in done.stdout


def test_help_teaches_and_shows_no_python(tmp_path: Path) -> None:
    names = [*re.findall(r"^  (\w+) ", mixturebench("-h").stdout.split("Commands:")[1], re.M)]
    assert {"run", "fit", "list", "cache", "compare"} <= set(names)
    for name in names:
        text = mixturebench(name, "-h").stdout
        assert "list[str]" not in text
        assert not re.search(r" (TEXT|INTEGER|FLOAT|PATH|FILENAME)\b", text), (name, text)
    assert re.fullmatch(r"mixturebench \d+\.\d+\.\d+\n", mixturebench("--version").stdout)
    assert mb.__version__ in mixturebench("--version").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "fitter"], "there is no list 'fitter': did you mean 'fitters'?"),
        (["list", "starts", "kmeans"], "only fitters have settings"),
        (["list", "fitters", "emm"], "did you mean 'em'?"),
        (["compare", "x", "y", "--format", "md"], "no run in x"),
        (["reference", "founding", "--components", "0"], "--components 0"),
    ],
)
def test_other_wrong_arguments(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = mixturebench(*arguments, folder=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Value error" not in done.stderr


def test_a_shell_completes_names() -> None:
    words = {"COMP_WORDS": "mixturebench run --fitter ne", "COMP_CWORD": "3"}
    words["_MIXTUREBENCH_COMPLETE"] = "complete_bash"
    done = subprocess.run(
        [str(Path(sys.executable).parent / "mixturebench")], env={**environment(), **words},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "newton" in done.stdout.split(), done


def test_every_public_name_exists() -> None:
    for name in mb.__all__:
        assert getattr(mb, name) is not None
    with pytest.raises(AttributeError, match="mixturebench has no 'runn'"):
        mb.runn  # noqa: B018


def test_json_of_an_answer_is_strict() -> None:
    content = json.loads(mb.fit(np.arange(1.0, 30.0), family="normal", components=1).json())
    assert content["family"] == "normal"
    assert content["data"]["source"] == "the data"


def test_a_data_frame_has_columns() -> None:
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"a": generator.normal(size=50), "b": generator.normal(9.0, size=50)})
    frame["kind"] = "x"
    answer = mb.fit(frame, family="normal", components=1, column="b")
    assert answer.mixture.parameters[0, 0] == pytest.approx(frame["b"].mean())
    with pytest.raises(mb.UserError, match="say which to read with --column"):
        mb.fit(frame, family="normal", components=1)
    with pytest.raises(mb.UserError, match="column 'kind' of the data holds no numbers"):
        mb.fit(frame, family="normal", components=1, column="kind")
    with pytest.raises(mb.UserError, match="array, which has no column 'b'"):
        mb.fit(frame["a"].to_numpy(), family="normal", components=1, column="b")


def test_a_run_on_an_array_can_be_moved(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal([0.0, 5.0], 1.0, size=(100, 2)).ravel()
    run = mb.run(data=x, family="normal", fitters=["em"], restarts=1, out=tmp_path / "a", workers=1)
    (tmp_path / "a").rename(tmp_path / "b")
    moved = mb.load(tmp_path / "b")
    assert moved.trials["status"].tolist() == ["converged"]
    assert not run.folder.exists()


def test_a_scenarios_own_file_may_have_the_name_of_a_runs(tmp_path: Path) -> None:
    np.save(tmp_path / "data.npy", np.random.default_rng(0).normal(size=100))
    file = tmp_path / "mine.toml"
    file.write_text('title = "t"\nfamily = "normal"\n[data]\nfile = "data.npy"\ncomponents = 1\n')
    run = mb.run([str(file)], ["em"], restarts=1, data_sets=1, out=tmp_path / "a", workers=1)
    assert mb.load(run.folder).trials["status"].tolist() == ["converged"]


def test_reports_are_written(tmp_path: Path) -> None:
    run = mb.run(["small"], ["em"], restarts=1, out=tmp_path / "run", workers=1)
    assert run.write_report() == tmp_path / "run" / "report.html"
    assert run.write_report("md", tmp_path / "table.md").read_text("utf-8") == run.report("md")
    with pytest.raises(mb.UserError, match="has no file of its own"):
        run.write_report("md")
    assert repr(run.status).startswith("finished, 1 of 1 trials, begun")


def test_a_run_says_that_the_file_of_a_fitter_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE, "utf-8")
    plan = ("--scenario", "small", "--restarts", "1", "--out", "run", "--no-report")
    first = mixturebench("run", *plan, "--fitter", "./mine.py", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    again = mixturebench("run", "--out", "run", "--no-report", folder=tmp_path)
    assert "has changed" not in again.stderr
    file.write_text(MINE + "\n# another\n", "utf-8")
    grown = mixturebench("run", "--out", "run", "--restarts", "2", "--no-report", folder=tmp_path)
    assert grown.returncode == 0, grown.stderr
    assert "mine.py has changed since this run began" in grown.stderr


def test_a_run_without_a_fit_names_its_first_failure(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(
        MINE.replace(
            "mixture, before = start.mixture, dict(sample.passes)",
            "raise ValueError('out of order')",
        ),
        "utf-8",
    )
    done = mixturebench(
        "run", "--scenario", "small", "--fitter", "./bad.py", "--restarts", "1", "--out", "run",
        folder=tmp_path,
    )  # fmt: skip
    assert "All failed, the first as error: ValueError: out of order" in " ".join(
        done.stdout.split()
    )
    assert "their causes: mixturebench status run" in " ".join(done.stdout.split())


def test_settings_of_a_file_are_listed(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    done = mixturebench("list", "fitters", "./mine.py", folder=tmp_path)
    assert done.stdout.split("\n")[1].split()[:3] == ["step", "1.0", "Share"]
    assert mb.settings("em")["default"].tolist()[0] == "0.0001"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"restarts": 5.5}, "restarts=5.5: it should be a valid integer"),
        ({"restarts": "5"}, "restarts=5: it should be a valid integer"),
        ({"seed": "x"}, "seed=x: it should be a valid integer"),
        ({"seed": -1}, "seed=-1: it should be greater than or equal to 0"),
        ({"timeout": "1m"}, "timeout=1m: it should be a valid number"),
        ({"workers": "2"}, "workers 2: it takes a whole number"),
        ({"fitters": []}, r"fitters=\[\] leaves nothing to run"),
        ({"progress": True}, "progress=True: it takes a function"),
    ],
)
def test_values_of_a_wrong_type_are_refused_before_anything_is_written(
    given: dict, words: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(mb.UserError, match=words):
        mb.run(**{"scenarios": ["small"], "fitters": ["em"], "restarts": 1, "out": out, **given})
    assert not out.exists()


def test_a_reference_of_other_data_is_refused() -> None:
    x = np.random.default_rng(0).normal([0.0, 5.0], 1.0, size=(100, 2)).ravel()
    reference = mb.reference(x, family="normal", components=2)
    with pytest.raises(mb.UserError, match="is of 200 observations, and 150 are given"):
        mb.score(reference.mixture, x[:150], reference)
    draws = reference.mixture.sample(4000, seed=3)
    assert stats.kstest(draws, reference.mixture.cdf).pvalue > 1e-3
    for call in (reference.mixture, mb.Mixture("normal", [1.0], mu=[0], sigma=[1])):
        assert call.sample(3, 1).shape == (3,)
    one = mb.Mixture("normal", [1.0], mu=[0], sigma=[1])
    with pytest.raises(mb.UserError, match="not all numbers: could not convert"):
        one.responsibilities(["left", "right"])
    with pytest.raises(mb.UserError, match="1 of 2 values are missing"):
        one.pdf([np.nan, 1.0])


def test_numbers_of_numpy_are_numbers(tmp_path: Path) -> None:
    run = mb.run(["small"], ["em"], restarts=np.int64(2), out=tmp_path / "run", workers=1)  # type: ignore[arg-type]
    assert len(run.trials) == 2
