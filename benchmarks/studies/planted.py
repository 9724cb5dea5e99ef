"""Defects planted in a copy of the fitters, and whether a comparison detects them."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import fitters
import scenarios
from benchmarks.compare import ALPHA, render
from benchmarks.compare.against import run_interleaved
from benchmarks.compare.pairs import pair
from benchmarks.compare.verdict import compare
from benchmarks.runner.choices import Choices
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
        "EM stopped at {} E-steps (its median here is 18)",
        "fitters/em.py",
        "        limit = self.settings.max_iterations\n",
        "        limit = {}\n",
        ("10", "15", "18", "21", "25", "30", "40"),
        "em",
    ),
    Defect(
        "beta's digamma times {}",
        "scenarios/families/beta.py",
        "special.psi(shapes) - special",
        "{} * special.psi(shapes) - special",
        ("1.01", "1.001", "1.0003", "1.0001", "1.00003", "1.00001"),
        "em",
    ),
    Defect(
        "EM's weights sum to {}",
        "fitters/em.py",
        "        weights = mass / mass.sum(axis=1, keepdims=True)\n",
        "        weights = {} * mass / mass.sum(axis=1, keepdims=True)\n",
        ("0.9", "0.99", "0.99999", "0.9999999"),
        "em",
    ),
    Defect(
        "learning rate times {}",
        "fitters/gradient.py",
        "lr=self.settings.learning_rate",
        "lr={} * self.settings.learning_rate",
        ("10.0", "4.0", "2.0"),
        "gradient",
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
        "scenarios/sample.py",
        "                joint = joint_of(flat, rows).reshape(-1, components, rows.shape[1])\n",
        "                joint = joint_of(flat, rows).reshape(-1, components, rows.shape[1])\n"
        "                joint = joint.astype(np.{0})\n"
        "                rows = rows.astype(np.{0})\n",
        ("float32",),
        "direct",
    ),
    Defect(
        "a block of the Hessian transposed, with weight {}",
        "scenarios/kernels.py",
        "    return gradient, hessian\n",
        "    a, b = components - 1, components - 1 + d\n"
        "    block = hessian[:, a:b, b : b + d].copy()\n"
        "    if block.size and components > 1:\n"
        "        block += {} * (block.swapaxes(1, 2) - block)\n"
        "        hessian[:, a:b, b : b + d] = block\n"
        "        hessian[:, b : b + d, a:b] = block.swapaxes(1, 2)\n"
        "    return gradient, hessian\n",
        ("1.0", "0.3", "0.1", "0.03"),
        "direct",
    ),
    Defect(
        "MCMC with {} draws of tuning",
        "fitters/mcmc.py",
        "    tune: Annotated[int, Field(ge=0)] = 1000\n",
        "    tune: Annotated[int, Field(ge=0)] = {}\n",
        ("10", "30", "100"),
        "mcmc:bins=256",
    ),
    Defect(
        "EM's passes {} times slower",
        "fitters/em.py",
        "        value, mass, totals = self.sample.expectations(batch)\n",
        "        import time\n"
        "        began = time.perf_counter()\n"
        "        value, mass, totals = self.sample.expectations(batch)\n"
        "        until = began + {} * (time.perf_counter() - began)\n"
        "        while time.perf_counter() < until:\n"
        "            pass\n",
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


def detections(only: str, restarts: int) -> pd.DataFrame:
    """A row for each defect and size: exit status and verdict of its comparison with sound code.

    Runs the defects whose name contains ``only``, and prints each row as its run ends.
    """
    import pandas as pd

    rows = []
    for defect in DEFECTS:
        for size in defect.sizes if only in defect.name else ():
            with tempfile.TemporaryDirectory() as folder:
                tree = plant(defect, size, Path(folder) / "tree")
                code, verdict = detect(tree, defect.fitter, restarts, Path(folder) / "run")
            name = defect.name.format(size)
            print(f"{name}: exit {code}, {verdict}", flush=True)
            rows.append({"defect": name, "fitter": defect.fitter, "exit": code, "verdict": verdict})
    return pd.DataFrame(rows)


def detect(tree: Path, fitter: str, restarts: int, out: Path) -> tuple[int, str]:
    """Exit status and sentence of a comparison of the fitters in ``tree`` with today's."""
    plan = Choices(profile="check", fitters=(fitter,), restarts=restarts).plan()
    # An interleaved run calls the tree its base; here today's fitters are the base.
    defective, sound = run_interleaved(plan, out, str(tree), lambda progress: None)
    try:
        comparison = compare(pair(sound, defective), ALPHA)
    except UserError as error:
        return 2, str(error)
    return comparison.exit_code, render.sentence(comparison)
