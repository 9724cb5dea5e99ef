"""asv on a history of planted defects: it measures each commit's code by one runner's scores."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asv.results import Results
from asv.util import load_json
from scipy import stats
from scipy.optimize import minimize

from benchmarks import quality
from benchmarks.runner.datasets import draw_sample
from benchmarks.runner.seeds import derive
from fitters.starts import Start, policy
from scenarios.scenario import load

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIGURES = ("failures_per_100", "excess", "information_error", "passes")
SUITES = ("speed", "memory", "quality", "under_test")
POISON = "raise RuntimeError('this is the runner of the commit under test')\n"

# An environment that needs neither network nor minutes: asv's own, but for its dependencies,
# which are those of the interpreter that runs asv. What a wheel installs comes before them.
LINKED = """
import sys
from pathlib import Path
from asv.plugins.virtualenv import Virtualenv

class Linked(Virtualenv):
    tool_name = "linked"

    def _install_requirements(self):
        (site,) = Path(self._path).glob("lib/python*/site-packages")
        paths = [path for path in sys.path if path.endswith("-packages")]
        (site / "linked.pth").write_text("\\n".join(paths))
"""
# What is planted, each at the end of a file.
STAYS = """
class _Stays(Prepared):
    def fit(self, start, seed, observe):
        return Fit(start.mixture, True, 1, {"expectation": 1.0})

EM.prepare = lambda self, sample, model: _Stays()
"""
WRONG = """
_right = Beta.statistics
Beta.statistics = lambda self, x: _right(self, x) - [0.1, 0.0]
"""
SMALL_GRID = """
SCENARIOS = ("small",)
GRID = {"direct": (1, 3), "em": (1, 3)}
FITTERS = tuple(GRID)
Quality.params = (list(FITTERS), list(SCENARIOS))
"""
OTHERS = (
    r"\.Fits\..*'em', 'unequal'", r"time_pass\('hessian', 'unequal'", r"timeraw_import",
)  # fmt: skip


class History:
    """A repository whose commits differ, as asv measured them from the first one's tree."""

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = root, home
        self.commits: dict[str, str] = {}
        self.output = ""
        for room in ("scenarios", "fitters", "benchmarks"):
            shutil.copytree(ROOT / room, root / room, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md", "LICENSE", "asv.conf.json"):
            shutil.copy(ROOT / name, root)
        with (root / "benchmarks" / "quality.py").open("a", encoding="utf-8") as file:
            file.write(SMALL_GRID)
        self.git("init", "--quiet")
        self.commit("as it is")

    def git(self, *arguments: str) -> str:
        who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.org")
        command = ["git", *who, *arguments]
        done = subprocess.run(command, cwd=self.root, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, name: str) -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", name)
        self.commits[name] = self.git("rev-parse", "HEAD")

    def other(self, name: str, added: dict[str, str]) -> None:
        """Commit the first tree with text added to files, and with suites that can't be used."""
        self.git("checkout", "--quiet", self.commits["as it is"])
        for path, text in added.items():
            with (self.root / path).open("a", encoding="utf-8") as file:
                file.write(text)
        suites = [self.root / "benchmarks" / f"{name}.py" for name in SUITES]
        for path in (*suites, *(self.root / "benchmarks/runner").rglob("*.py")):
            path.write_text(POISON, encoding="utf-8")
        self.commit(name)
        self.git("checkout", "--quiet", self.commits["as it is"])

    def asv(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        return subprocess.run(
            [sys.executable, "-m", "asv", *arguments],
            cwd=self.root,
            env={**os.environ, "HOME": str(self.home), "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )

    def measure(self) -> None:
        """Have asv measure every commit; ``output`` is what it prints."""
        settings = load_json(str(self.root / "asv.conf.json"), js_comments=True)
        settings |= {"environment_type": "linked", "plugins": [".linked"]}
        settings["matrix"] = {**settings["matrix"], "req": {}}
        (self.root / "asv.conf.json").write_text(json.dumps(settings), encoding="utf-8")
        (self.root / "linked.py").write_text(LINKED, encoding="utf-8")
        self.asv("machine", "--yes")
        self.run("quality", *self.commits)
        self.run("|".join(OTHERS), "as it is", "another contract")

    def run(self, benchmarks: str, *names: str) -> None:
        hashes = "\n".join(self.commits[name] for name in names)
        (self.home / "hashes").write_text(hashes, encoding="utf-8")
        hashfile = f"HASHFILE:{self.home}/hashes"
        done = self.asv("run", "--quick", "--show-stderr", "--bench", benchmarks, hashfile)
        self.output += done.stdout + done.stderr
        assert done.returncode == 0, self.output

    def results(self, name: str) -> dict[str, float]:
        """Figures of a commit by benchmark and parameters, unquoted; NaN is asv's skipped."""
        (path,) = (self.root / "results/asv/results").glob(f"*/{self.commits[name][:8]}*.json")
        results = Results.load(str(path))
        found = {}
        for benchmark in results.get_all_result_keys():
            params = results.get_result_params(benchmark)
            values = results.get_result_value(benchmark, params)
            for index, value in enumerate(values):
                point = [axis[i] for axis, i in zip(params, _place(index, params), strict=True)]
                found["|".join([benchmark, *point]).replace("'", "")] = value
        return found

    def quality(self, name: str, fitter: str) -> dict[str, float]:
        results = self.results(name)
        return {f: results[f"quality.Quality.track_{f}|{fitter}|small"] for f in FIGURES}


def _place(index: int, params: list[list[str]]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.unravel_index(index, [len(axis) for axis in params]))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    made = History(tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home"))
    made.other("em returns its start", {"fitters/em.py": STAYS})
    made.other("wrong densities", {"scenarios/families/beta.py": WRONG})
    made.other(
        "another contract",
        {
            "fitters/__init__.py": "CONTRACT = 17\n",
            "fitters/spec.py": "del parse\n",
            "scenarios/scenario.py": "del load\n",
        },
    )
    made.other(
        "other data, no em",
        {
            "scenarios/scenario.py": 'Scenario.digest = lambda self: "of other seeds"\n',
            "fitters/em.py": 'EM.name = "expectation"\n',
        },
    )
    made.measure()
    return made


def test_each_commit_is_scored_by_the_working_tree(history: History) -> None:
    # A fitter that returns its start and claims convergence: its excess by scipy alone. A skipped
    # or failed point would be no number, and the commit's own runner raises.
    sample, starts = small()
    best = maximum(sample)
    excesses = [2.0 * (best - log_likelihood(sample, start)) / 5 for start in starts]
    planted = history.quality("em returns its start", "em")
    assert planted["excess"] == pytest.approx(np.median(excesses), rel=1e-4)
    assert planted["failures_per_100"] == 100.0
    assert planted["passes"] == quality.WORST
    assert history.quality("as it is", "em")["excess"] == quality.MIN_EXCESS
    # The other fitter is the same in both commits.
    unharmed = history.quality("em returns its start", "direct")
    assert unharmed == history.quality("as it is", "direct")


@pytest.mark.parametrize("fitter", ["em", "direct"])
def test_wrong_densities_move_the_fitter_and_not_its_reference(
    history: History, fitter: str
) -> None:
    planted = history.quality("wrong densities", fitter)
    assert planted["failures_per_100"] == 100.0
    assert quality.WORST > planted["excess"] > 0.1


def test_a_commit_of_another_contract_is_skipped_by_name(history: History) -> None:
    results = history.results("another contract")
    assert results.keys() == history.results("as it is").keys()
    assert {str(value) for value in results.values()} == {"nan"}
    assert "fitters.CONTRACT 17" in history.output


def test_other_data_and_absent_fitters_are_skipped_by_name(history: History) -> None:
    for fitter in ("em", "direct"):
        assert all(np.isnan(list(history.quality("other data, no em", fitter).values())))
    assert "this commit draws other data of 'small'" in history.output
    assert re.search("not in this commit.*'em'", history.output)


def test_the_other_suites_measure_too(history: History) -> None:
    results = history.results("as it is")
    kinds = {
        "time_fit": "speed.Fits.time_fit|em|unequal",
        "peakmem_fit": "memory.Fits.peakmem_fit|em|unequal",
        "time_pass": "speed.Passes.time_pass|hessian|unequal",
        "cli": "speed.Imports.timeraw_import|benchmarks.cli",
    }
    assert all(results[name] > 0.0 for name in kinds.values())
    observations = 8 * load("unequal").specification.n
    assert results[kinds["peakmem_fit"]] > observations


def small() -> tuple[Any, list[Any]]:
    """Data set 0 of ``small``, and its first quantile starts."""
    scenario = load("small")
    sample = draw_sample(scenario, 0, 0)
    seeds = [derive("start", 0, scenario.digest(), 0, restart) for restart in range(3)]
    starts = [Start.of(policy("quantile"), sample, scenario.model, seed) for seed in seeds]
    return sample, [start.mixture for start in starts]


def log_likelihood(sample: Any, mixture: Any) -> float:
    densities = [stats.beta(*row).pdf(sample.observations) for row in mixture.parameters]
    return float(np.log(mixture.weights @ np.stack(densities)).sum())


def maximum(sample: Any) -> float:
    """The log likelihood of the best two betas near those that the data were drawn from."""

    def loss(free: np.ndarray) -> float:
        share, shapes = 1.0 / (1.0 + np.exp(-free[0])), np.exp(free[1:])
        one = share * stats.beta(shapes[0], shapes[1]).pdf(sample.observations)
        two = (1.0 - share) * stats.beta(shapes[2], shapes[3]).pdf(sample.observations)
        return -float(np.log(one + two).sum())

    truth = np.array([0.0, *np.log([10.0, 1.5, 1.5, 10.0])])
    return -float(minimize(loss, truth, method="BFGS").fun)
