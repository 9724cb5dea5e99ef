"""Defects planted in a copy of the fitters, and whether a comparison detects them."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fitters
import scenarios
from benchmarks.compare.against import interleave
from benchmarks.compare.trees import import_root
from benchmarks.runner.choices import Choices
from benchmarks.runner.provenance import ROOT
from scenarios.errors import UserError

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Defect:
    """A text that is replaced in a file; ``{}`` in ``planted`` is a size, from gross to slight."""

    name: str
    file: str
    sound: str
    planted: str
    sizes: tuple[str, ...]
    fitter: str
    """The fitter that runs the defective code."""


DEFECTS = (
    Defect(
        "no defect: EM's weights rounded to {} digits",
        "scenarios/kernels/mixtures.py",
        "new_weights[b, k] = mass / total\n",
        "new_weights[b, k] = round(mass / total, {})\n",
        ("13",),
        "em",
    ),
    Defect(
        "no defect: MCMC with other draws ({})",
        "fitters/mcmc.py",
        "np.random.SeedSequence(seed)",
        "np.random.SeedSequence([seed, {}])",
        ("1", "2"),
        "mcmc:bins=256,chains=2",
    ),
    Defect(
        "EM merges the components of 1 start in {}",
        "fitters/em.py",
        "        ascent = _Ascent(self.settings, self.sample, mixtures, observe)\n",
        "        for i, start in enumerate(starts):\n"
        "            if start.seed % {} == 0:\n"
        "                mixtures.parameters[i] = mixtures.parameters[i].mean(axis=0)\n"
        "        ascent = _Ascent(self.settings, self.sample, mixtures, observe)\n",
        ("10", "30"),
        "em",
    ),
    Defect(
        "EM stopped at {} E-steps",
        "fitters/em.py",
        "            float(settings.max_iterations), settings.tolerance",
        "            {}.0, settings.tolerance",
        ("10", "15", "18", "21", "25", "30", "40"),
        "em",
    ),
    Defect(
        "beta's digamma times {}",
        "scenarios/families/beta.py",
        "        ratio_a = (psi_a - psi_sum",
        "        psi_a, psi_b = {0} * psi_a, {0} * psi_b\n        ratio_a = (psi_a - psi_sum",
        ("1.01", "1.001", "1.0003", "1.0001", "1.00003", "1.00001"),
        "em",
    ),
    Defect(
        "EM's weights sum to {}",
        "scenarios/kernels/mixtures.py",
        "new_weights[b, k] = mass / total\n",
        "new_weights[b, k] = {} * mass / total\n",
        ("0.9", "0.99", "0.99999", "0.9999999"),
        "em",
    ),
    Defect(
        "learning rate times {}",
        "fitters/gradient.py",
        "lr=self.settings.learning_rate",
        "lr={} * self.settings.learning_rate",
        ("10.0", "4.0", "2.0"),
        "gradient:bins=1024",
    ),
    Defect(
        "one seed for all starts",
        "fitters/starts/base.py",
        "policy.draw(sample, model, seed)",
        "policy.draw(sample, model, {} * seed)",
        ("0",),
        "em",
    ),
    Defect(
        "direct's coordinates in {}",
        "fitters/direct.py",
        "            mixture = self.mixture(coordinates)\n",
        "            mixture = self.mixture(coordinates.astype(np.{}).astype(float))\n",
        ("float16", "float32"),
        "direct",
    ),
    Defect(
        "densities and sums in {}",
        "scenarios/kernels/sums.py",
        "        s, t = x[i] - cx, y[i] - cy\n        first",
        "        s, t = np.{0}(x[i] - cx), np.{0}(y[i] - cy)\n        first",
        ("float32",),
        "direct",
    ),
    Defect(
        "a block of the Hessian transposed, with weight {}",
        "scenarios/kernels/louis.py",
        "    return values, gradients, hessians\n",
        "    for h in hessians:\n"
        "        a = components - 1\n"
        "        if components > 1:\n"
        "            change = {} * (h[a + 1, a + 2] - h[a, a + 3])\n"
        "            h[a, a + 3] += change\n"
        "            h[a + 3, a] += change\n"
        "            h[a + 1, a + 2] -= change\n"
        "            h[a + 2, a + 1] -= change\n"
        "    return values, gradients, hessians\n",
        ("1.0", "0.3", "0.1", "0.03"),
        "direct",
    ),
    Defect(
        "MCMC with {} draws of tuning",
        "fitters/mcmc.py",
        "    tune: Annotated[int, Field(ge=0)] = 1000\n",
        "    tune: Annotated[int, Field(ge=0)] = {}\n",
        ("10", "30", "100"),
        "mcmc:bins=256,chains=2",
    ),
    Defect(
        "EM's passes {} times slower",
        "fitters/em_round.py",
        "    function(rows.code, rows.anchor, rows.rows, rows.counts, *arrays, tuple(rules))\n",
        "    import time\n"
        "    began = time.perf_counter()\n"
        "    function(rows.code, rows.anchor, rows.rows, rows.counts, *arrays, tuple(rules))\n"
        "    until = began + {} * (time.perf_counter() - began)\n"
        "    while time.perf_counter() < until:\n"
        "        pass\n",
        ("2.0", "1.5", "1.25"),
        "em",
    ),
)


def plant(defect: Defect, size: str, folder: Path) -> Path:
    """Copy today's fitters and scenarios to ``folder`` and plant the defect there.

    Raises ``UserError`` unless the text that it replaces occurs exactly once.
    """
    for room in (fitters, scenarios):
        place = Path(str(room.__file__)).parent
        shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / defect.file
    text = path.read_text(encoding="utf-8")
    if text.count(defect.sound) != 1:
        raise UserError(
            f"{defect.file} holds {defect.sound.strip()!r} {text.count(defect.sound)} times "
            f"instead of once: bring the defect {defect.name.format(size)!r} up to date"
        )
    path.write_text(text.replace(defect.sound, defect.planted.format(size)), encoding="utf-8")
    return folder


def run_detections(only: str, budget: float, out: Path, say: Callable[[str], None]) -> pd.DataFrame:
    """A row for each defect and size: verdict, data sets and seconds of its comparison.

    Runs the defects whose name contains ``only``. Each row is added to ``out / "planted.jsonl"``
    as its comparison ends, and a defect that has one there is not run again.
    """
    import pandas as pd

    path = out / "planted.jsonl"
    out.mkdir(parents=True, exist_ok=True)
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    known = {row["defect"]: row for row in map(json.loads, lines)}
    rows = []
    for defect in DEFECTS:
        for size in defect.sizes:
            name = defect.name.format(size)
            if only not in name:
                continue
            if name not in known:
                say(f"{name} ...")
                with tempfile.TemporaryDirectory() as folder:
                    tree = plant(defect, size, Path(folder) / "tree")
                    row = detect(tree, defect.fitter, budget, Path(folder) / "run")
                known[name] = {"defect": name, "fitter": defect.fitter, **row}
                with path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(known[name]) + "\n")
            rows.append(known[name])
            say(f"{name}: exit {known[name]['exit']}, {known[name]['verdict']}")
    return pd.DataFrame(rows)


def detect(tree: Path, fitter: str, budget: float, out: Path) -> dict[str, Any]:
    """Compare the fitters and scenarios in ``tree`` with today's, as ``run --against`` does."""
    began = time.monotonic()
    try:
        roots = {"base": ROOT, "new": import_root(tree)}
        choices = Choices(fitters=(fitter,))
        settled = interleave(choices, str(tree), roots, out, budget, lambda progress: None)
    except UserError as error:
        return {"exit": 2, "verdict": str(error), "data sets": 0,
                "seconds": time.monotonic() - began}  # fmt: skip
    (comparison,) = settled.comparisons.values()
    row = comparison.fitters.iloc[0]
    return {
        "exit": settled.exit_code,
        "verdict": settled.sentence,
        "data sets": int(row["data_sets"]),
        "seconds": time.monotonic() - began,
    }
