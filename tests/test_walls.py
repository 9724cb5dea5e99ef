"""The walls between the rooms, and what asv finds in them."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "pytorch_lightning", "pymc", "nutpie", "arviz", "matplotlib", "pandas", "pyarrow"}
HEAVY |= {"sklearn", "pomegranate"}


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


@pytest.mark.parametrize(
    ("room", "forbidden"), [("scenarios", {"fitters", "benchmarks"}), ("fitters", {"benchmarks"})]
)
def test_imports_run_one_way(room: str, forbidden: set[str]) -> None:
    for path in (ROOT / room).rglob("*.py"):
        assert not imports(path) & forbidden, path


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    told = f"""
import pkgutil, importlib, sys
for room in ("scenarios", "fitters", "benchmarks"):
    package = importlib.import_module(room)
    for info in pkgutil.walk_packages(package.__path__, room + "."):
        importlib.import_module(info.name)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_help_imports_nothing_numerical() -> None:
    told = "import sys; from benchmarks.cli import app\nprint('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_asv_discovers_the_suites_and_nothing_else(tmp_path: Path) -> None:
    # asv's own discovery, from elsewhere, as asv runs it.
    told = """
import sys
from asv_runner.discovery import disc_benchmarks, update_sys_path
update_sys_path(sys.argv[1])
print(*sorted(benchmark.name for benchmark in disc_benchmarks(sys.argv[1])))
"""
    done = subprocess.run(
        [sys.executable, "-c", told, str(ROOT / "benchmarks")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == [
        "memory.Fits.peakmem_fit",
        "quality.Quality.track_evaluations",
        "quality.Quality.track_excess",
        "quality.Quality.track_failures_per_100",
        "quality.Quality.track_information_error",
        "speed.Fits.time_fit",
        "speed.Imports.timeraw_import",
        "speed.Passes.time_pass",
    ]
    assert done.stderr == ""
