"""Defects planted in a copy of the fitters: does the gate see them?"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import fitters
import scenarios
from scenarios.errors import UserError


@dataclass(frozen=True)
class Defect:
    """A text replaced in a file; ``{}`` in ``planted`` takes a size, from gross to slight."""

    name: str
    file: str
    sound: str
    planted: str
    sizes: tuple[str, ...]
    fitter: str
    """The one that should be caught."""


DEFECTS = (
    Defect(
        "EM stopped at {} E-steps (its median here is 18)",
        "fitters/em.py",
        "            most = self.fitter.max_iterations\n",
        "            most = {}\n",
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
        "lr=self.fitter.learning_rate",
        "lr={} * self.fitter.learning_rate",
        ("10.0", "4.0", "2.0"),
        "gradient",
    ),
    Defect(
        "one seed for all starts",
        "fitters/starts.py",
        "policy.draw(sample, components, seed)",
        "policy.draw(sample, components, {} * seed)",
        ("0",),
        "em",
    ),
    Defect(
        "direct's coordinates in {}",
        "fitters/direct.py",
        "        mixture = self.mixture(coordinates)\n",
        "        mixture = self.mixture(coordinates.astype(np.{}).astype(float))\n",
        ("float16", "float32"),
        "direct",
    ),
    Defect(
        "densities and sums in {}",
        "scenarios/sample.py",
        "                joint = joint.reshape(-1, components, rows.shape[1])\n",
        "                joint = joint.reshape(-1, components, rows.shape[1]).astype(np.{0})\n"
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
        "        value, mass, totals = self.sample.expectations(stack)\n",
        "        import time\n"
        "        began = time.perf_counter()\n"
        "        value, mass, totals = self.sample.expectations(stack)\n"
        "        until = began + {} * (time.perf_counter() - began)\n"
        "        while time.perf_counter() < until:\n"
        "            pass\n",
        ("2.0", "1.5", "1.25"),
        "em",
    ),
)


def plant(defect: Defect, size: str, folder: Path) -> Path:
    """A copy of today's fitters and scenarios below ``folder``, with the defect in it.

    Raises ``UserError`` where the text that it replaces is no longer there once.
    """
    for room in (fitters, scenarios):
        place = Path(str(room.__file__)).parent
        shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / defect.file
    text = path.read_text(encoding="utf-8")
    if text.count(defect.sound) != 1:
        raise UserError(
            f"{defect.file} has {text.count(defect.sound)} times {defect.sound.strip()!r}, where "
            f"{defect.name.format(size)!r} would go: bring the defect up to date"
        )
    path.write_text(text.replace(defect.sound, defect.planted.format(size)), encoding="utf-8")
    return folder
