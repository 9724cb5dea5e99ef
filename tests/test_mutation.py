"""The tool of ``make mutants``: its defects apply to the source, and it reports survivors."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
from scipy import stats

from tests.mutation import __main__ as tool
from tests.mutation.drawn import TESTS, drawn, sites
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Mutant, MutantError
from tests.mutation.named import NAMED
from tests.mutation.sandbox import KILLED, SURVIVED, UNUSABLE, Outcome, Sandbox, verdict

ROOT = Path(__file__).parent.parent
SOURCE = '''
"""Docs < 1."""
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    A = 1 < 2
TABLE = {"a": 1, "b": (2,)}
ONE, TWO = 1.5, True
def f(x: list = [], n: "1 < 2" = 3) -> int | None:
    """Docs + 1."""
    µ = (n) + 2.5; log(f"{n + 1}"); µ += 1
    while not x or n in x and any(x[n : 2]) is not True:
        if n <= 0: raise ValueError(1 + 1)
        break
    return max(µ, n)
'''


def test_every_named_defect_applies_and_has_its_tests() -> None:
    assert len({mutant.name for mutant in NAMED}) == len(NAMED)
    for mutant in NAMED:
        mutant.edit((ROOT / mutant.file).read_text(encoding="utf-8"))  # raises if it can't
    needed = {test.partition("[")[0] for mutant in NAMED for test in mutant.tests}
    needed |= {test for tests in TESTS.values() for test in tests}
    for file in {test.partition("::")[0] for test in needed}:
        names = {f"{file}::{node.name}" for node in ast.parse((ROOT / file).read_text()).body
                 if isinstance(node, ast.FunctionDef)}  # fmt: skip
        gone = {test for test in needed if test.startswith(f"{file}::")} - names
        assert not gone, "re-point them in tests/mutation/named.py or drawn.py"


@pytest.mark.parametrize(
    ("function", "pattern", "replacement", "words"),
    [
        ("g", "1", "2", ["no function 'g'", "re-point"]),
        ("f.g", "1", "2", ["no function 'f.g'", "re-point"]),
        ("f", "n + 3", "2", ["holds 'n + 3' 0 times", "re-point"]),
        ("f", "n", "2", ["times instead of once", "re-point"]),
        ("f", "n <= 0", "n <= <= 0", ["doesn't compile"]),
        ("f", "n <= 0", "n  <=  0", ["no effect"]),
    ],
)
def test_a_defect_that_does_not_apply_says_why(
    function: str, pattern: str, replacement: str, words: list[str]
) -> None:
    with pytest.raises(MutantError, match="mutant 'm'") as error:
        Mutant("m", "x.py", function, pattern, replacement, ()).edit(SOURCE)
    assert all(word in str(error.value) for word in [*words, "x.py"])


def test_a_defect_is_planted_in_its_function_alone() -> None:
    source = "def f():\n    return 1\n\n\nclass C:\n    def f(self):\n        return 1\n"
    mutant = Mutant("m", "x.py", "C.f", "return 1", "return 2", ())
    edit = mutant.edit(source)
    assert edit.applied(source) == source[:-2] + "2\n"
    assert (edit.line(source), edit.diff(source)) == (7, ("return 1", "return 2"))


def test_every_token_that_can_change_is_a_site_and_no_other() -> None:
    found = [(site.kind, site.edit.diff(SOURCE)[1]) for site in sites(SOURCE)]
    loop = "while not x or n in x and any(x[n : 2]) is not True:"
    first = 'µ = (n) + 2.5; log(f"{n + 1}"); µ += 1'
    assert found == [
        ("1.5 to 3.0", "ONE, TWO = 3.0, True"),
        ("True to False", "ONE, TWO = 1.5, False"),
        ("3 to 4", 'def f(x: list = [], n: "1 < 2" = 4) -> int | None:'),
        ("+ to -", first.replace("(n) +", "(n) -")),
        ("2.5 to 5.0", first.replace("2.5", "5.0")),
        ("call deleted", first.replace('log(f"{n + 1}")', "pass")),
        ("assignment deleted", first.replace("µ += 1", "pass")),
        ("1 to 2", first.replace("+= 1", "+= 2")),
        ("not removed", loop.replace("not x", "x")),
        ("or to and", loop.replace("or", "and")),
        ("in to not in", loop.replace("n in", "n not in")),
        ("and to or", loop.replace("and", "or")),
        ("any to all", loop.replace("any", "all")),
        ("slice off by one", loop.replace("[n :", "[n + 1 :")),
        ("2 to 3", loop.replace("2", "3")),
        ("is not to is", loop.replace("is not", "is")),
        ("True to False", loop.replace("True", "False")),
        ("<= to <", "if n < 0: raise ValueError(1 + 1)"),
        ("0 to 1", "if n <= 1: raise ValueError(1 + 1)"),
        ("break to continue", "continue"),
        ("max to min", "return min(µ, n)"),
        ("return None", "return None"),
    ]
    for site in sites(SOURCE):
        site.edit.check(SOURCE, site.kind)


def test_every_mutant_without_effect_is_still_a_site() -> None:
    for file in {file for file, _, _ in EQUIVALENT}:
        source = (ROOT / file).read_text(encoding="utf-8")
        known = {site.edit.diff(source) for site in sites(source)}
        gone = [key for key in EQUIVALENT if key[0] == file and key[1:] not in known]
        assert not gone, "bring tests/mutation/equivalent.py up to date"


def test_drawn_mutants_are_the_same_for_a_seed_and_all_apply() -> None:
    found = drawn(ROOT, 3, 40)
    assert drawn(ROOT, 3, 40) == found
    assert len({mutant.name for mutant in found}) == 40
    assert {mutant.name for mutant in drawn(ROOT, 4, 40)} != {mutant.name for mutant in found}
    assert len({mutant.file for mutant in found}) >= 10
    for mutant in found:
        source = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert mutant.edit(source).applied(source) != source


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        (0, "1 passed", (SURVIVED, "")),
        (1, "..F\nFAILED tests/x.py::t[a b] - assert 1\n", (KILLED, "tests/x.py::t[a b]")),
        (1, "E\nERROR tests/x.py::t\n", (KILLED, "tests/x.py::t")),
        (2, "ERROR tests/x.py - NameError", (KILLED, "import")),
        (4, "ImportError while loading conftest", (KILLED, "import")),
        (-11, "", (KILLED, "signal 11")),
        (3, "INTERNALERROR", (UNUSABLE, "pytest's exit status 3")),
        (5, "no tests ran", (UNUSABLE, "no tests ran: mend the table of tests")),
    ],
)
def test_the_exit_status_of_pytest_tells(code: int, output: str, expected: tuple) -> None:
    word, by = verdict(code, output)
    assert (word, by.partition("\n")[0]) == expected


def test_the_exit_status_of_the_tool_is_what_survived() -> None:
    def status(named: str, drawn_killed: int, drawn_survived: int) -> int:
        words = [("named", named), *drawn_killed * [("drawn", KILLED)]]
        words += drawn_survived * [("drawn", SURVIVED)]
        return tool.summary(
            [(tool.Planned("m", kind, "x.py", 1, "a", "b", "", ()), Outcome(word, "", 0.0))
             for kind, word in words]
        )[1]  # fmt: skip

    assert status(KILLED, 17, 3) == 0
    assert status(KILLED, 16, 4) == 1
    assert status(SURVIVED, 20, 0) == 1
    assert status(UNUSABLE, 20, 0) == 2
    # Of 17 whose like are killed at 85 %, ten or fewer are killed once in a hundred samples.
    assert [tool.min_killed(17, 0.85, sampled) for sampled in (True, False)] == [11, 15]
    assert stats.binom.cdf(10, 17, 0.85) < 0.01 < stats.binom.cdf(11, 17, 0.85)
    assert tool.min_killed(9, 1.0, True) == 9  # every named one, in a sample too


def test_a_mutant_is_planted_in_a_copy_and_its_test_fails_there(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "tests").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (root / ".gitignore").write_text("ignored.py\n")
    (root / "ignored.py").write_text("")
    (root / "x.py").write_text("a = 1\n")
    (root / "tests" / "test_x.py").write_text("import x\ndef test_a(): assert x.a == 1\n")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    box = Sandbox(root, tmp_path / "copy", 60.0)
    assert sorted(path.name for path in box.folder.iterdir()) == [
        ".gitignore", "pyproject.toml", "tests", "x.py",
    ]  # fmt: skip
    outcome = box.run_mutated("x.py", "a = 2\n", ("tests/test_x.py",))
    assert (outcome.word, outcome.by) == (KILLED, "tests/test_x.py::test_a")
    assert (box.folder / "x.py").read_text() == (root / "x.py").read_text() == "a = 1\n"
