"""The rooms: which imports which, what importing costs, and what asv finds in them."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = {"torch", "pytorch_lightning", "pymc", "nutpie", "arviz", "matplotlib", "pandas", "pyarrow"}
HEAVY |= {"sklearn", "pomegranate"}

# Every room, in order, with the rooms that it imports: each stands above it in this table.
ARROWS: dict[str, set[str]] = {
    "scenarios": set(),
    "fitters": {"scenarios"},
    "files": {"scenarios"},
    "reference": {"scenarios", "files"},
    "runner": {"scenarios", "fitters", "files", "reference"},
    "scoring": {"scenarios", "reference", "runner"},
    "report": {"scenarios", "fitters", "reference", "runner", "scoring"},
    "compare": {"scenarios", "fitters", "files", "runner", "scoring", "report"},
    "fit": {"scenarios", "fitters", "reference", "runner", "scoring", "report"},
    "suites": {"scenarios", "fitters", "runner", "scoring"},
    "mixturebench": {"scenarios", "fitters", "reference", "runner", "scoring", "compare", "fit"},
    "studies": {
        "scenarios", "fitters", "files", "reference", "runner", "scoring", "report", "compare",
        "fit", "mixturebench",
    },
    "cli": {
        "scenarios", "files", "reference", "runner", "report", "compare", "fit", "mixturebench",
    },
}  # fmt: skip
MODULES = {"under_test": "suites", "memory": "suites", "quality": "suites", "speed": "suites"}
MODULES |= dict.fromkeys(("console", "__main__", "__init__"), "cli")


TOPS = ("mixturebench.py", "scenarios", "fitters", "benchmarks")
SOURCES = [
    path for top in TOPS for path in ([ROOT / top] if "." in top else (ROOT / top).rglob("*.py"))
]


def room_of(module: str) -> str | None:
    """The room of a module by its dotted name; None if it is not the project's."""
    parts = module.split(".")
    if parts[0] != "benchmarks":
        return parts[0] if parts[0] in ARROWS else None
    if len(parts) == 1:
        return None
    return MODULES.get(parts[1], parts[1])


def imported(path: Path) -> Iterator[str]:
    """The dotted names that a file imports, inside functions and for types too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_the_table_of_arrows_runs_one_way() -> None:
    rooms = list(ARROWS)
    for place, (room, above) in enumerate(ARROWS.items()):
        assert above <= set(rooms[:place]), room


def test_every_import_is_an_arrow_of_the_table_and_every_arrow_an_import() -> None:
    found: dict[str, set[str]] = {room: set() for room in ARROWS}
    for path in SOURCES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        room = room_of(module) or "cli"
        assert room in ARROWS, f"{module} is in no room"
        others = {room_of(name) for name in imported(path)} - {room, None}
        assert others <= ARROWS[room], f"{module} imports {sorted(others - ARROWS[room])}"
        found[room] |= others
    assert found == ARROWS


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = f"""
import pkgutil, importlib, sys
for room in ("scenarios", "fitters", "benchmarks"):
    package = importlib.import_module(room)
    for info in pkgutil.walk_packages(package.__path__, room + "."):
        importlib.import_module(info.name)
print(sorted({HEAVY!r} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def test_the_python_api_is_imported_inside_functions_alone() -> None:
    # asv imports every module below benchmarks/ beside commits that have no mixturebench.py.
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        at_import = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
        names = {alias.name for node in at_import for alias in node.names}
        names |= {node.module for node in at_import if isinstance(node, ast.ImportFrom)}
        assert "mixturebench" not in names, path


@pytest.mark.parametrize("first", ["from benchmarks.cli import app", "import mixturebench"])
def test_the_entrances_import_nothing_numerical(first: str) -> None:
    code = f"import sys; {first}\nprint('numpy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "False"


def test_asv_discovers_the_suites_and_nothing_else(tmp_path: Path) -> None:
    # asv's own discovery, from elsewhere, as asv runs it.
    code = """
import sys
from asv_runner.discovery import disc_benchmarks, update_sys_path
update_sys_path(sys.argv[1])
print(*sorted(benchmark.name for benchmark in disc_benchmarks(sys.argv[1])))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT / "benchmarks")],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    assert done.stdout.split() == [
        "memory.Fits.peakmem_fit",
        "quality.Quality.track_excess",
        "quality.Quality.track_failures_per_100",
        "quality.Quality.track_information_error",
        "quality.Quality.track_passes",
        "speed.Costs.track_cost",
        "speed.Fits.time_fit",
        "speed.Imports.timeraw_import",
        "speed.Limits.track_pass",
        "speed.Passes.time_pass",
        "speed.Steps.time_step",
    ]
    assert done.stderr == ""
