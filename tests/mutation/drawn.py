"""Mutants drawn at random: every place where one token of a module can change, and a sample."""

from __future__ import annotations

import ast
import io
import random
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutation.mutants import Drawn, Edit


def _of(file: str, names: str) -> tuple[str, ...]:
    room, _, stem = file.rpartition("/")
    folder = f"tests/{room}/" if room else "tests/"
    return tuple(f"{folder}test_{stem}.py::test_{name}" for name in names.split())


SCORES = ("tests/reference/test_scipy_mixture.py", "tests/scoring/test_score.py")
SUMMARY, FACTS = ("tests/scoring/test_summary.py",), ("tests/scoring/test_facts.py",)
TABLES = ("tests/scoring/test_comparisons.py",)
TRUTH, STATISTICS = ("tests/scoring/test_truth_errors.py",), ("tests/scoring/test_statistics.py",)
JOURNAL, PROGRESS = ("tests/runner/test_journal.py",), ("tests/runner/test_cell_progress.py",)
PROPERTIES = ("tests/test_properties.py",)
STATUSES = _of("properties", "a_fit_has_one_status_and_a_limit_is_on_its_better_side")
PLUGIN = _of("runner/plugins", "a_plug_in_family_is_fitted_and_scored")
REFERENCE = _of(
    "reference/search",
    "liars_are_found_out a_better_fit_takes_the_references_place a_spike_is_not_the_reference "
    "what_cannot_be_told_has_no_parameter_error",
)
VERDICT = ("tests/compare/test_verdict.py",)
PAIRED, CHANGES = ("tests/compare/test_paired_tests.py",), ("tests/compare/test_changes.py",)
SETTLE = ("tests/compare/test_settle.py",)
BASELINE = _of(
    "compare/compare",
    "an_incomplete_run_is_no_baseline a_baseline_is_small_and_compares_as_its_run_does",
)
PAIRS = _of(
    "compare/compare",
    "runs_with_another_start_or_contract_are_not_compared a_run_compared_with_itself_passes "
    "runs_without_a_scenario_in_common_are_not_compared",
)
WRONG = _of("runner/run", "a_wrong_argument_is_an_error_of_one_sentence")
SCORED = (
    *_of("runner/run", "changed_data_are_not_scored real_data_have_no_truth"),
    *_of("report/report", "a_run_of_the_mandatory_fields_alone_can_be_shown"),
)
REPORT = _of("report/report", "the_verdict_is_made_of_the_figures the_first_table_can_be_recounted")
RESUMED = _of(
    "runner/survival",
    "a_plan_that_would_change_trials_is_refused a_damaged_line_is_named "
    "a_run_with_changed_data_is_not_resumed two_workers_and_one_give_the_same_figures "
    "losses_in_a_row_are_counted_across_sessions",
)
CODE = ("tests/runner/test_code_of_a_run.py",)
HELP = _of("python", "values_of_a_wrong_type_are_refused_before_anything_is_written")
CERTIFICATE = ("tests/reference/test_certificate.py",)
VERIFY = ("tests/reference/test_verify.py",)
NO_REFERENCE = _of("report/report", "a_data_set_without_reference_ends_nothing")
BORDER = _of("runner/plugins", "a_malformed_fit_is_a_row_of_its_own_trial_alone")
GROWN = _of(
    "python",
    "a_run_goes_on_and_grows data_of_ones_own wrong_data_are_an_error_of_one_sentence "
    "another_class_of_the_same_name_is_refused",
)
SCORED_ALONE = _of("python", "one_mixture_is_scored_as_a_run_scores_it")
ESTIMATE = _of("python", "a_dry_run_writes_nothing_and_estimates_from_earlier_runs")
INTERRUPTED = _of("runner/survival", "an_interruption_is_quick_and_says_how_to_resume")
TESTS = {
    "benchmarks/reference/admissible.py": (*SCORES, *REFERENCE, *CERTIFICATE),
    "benchmarks/reference/flags.py": CERTIFICATE,
    "benchmarks/reference/certificate.py": CERTIFICATE,
    "benchmarks/reference/scipy_mixture.py": (*SCORES, *REFERENCE, *PLUGIN),
    "benchmarks/reference/verify.py": VERIFY,
    "benchmarks/scoring/score.py": (*SCORES, *STATUSES, *REFERENCE, *BORDER),
    "benchmarks/scoring/challengers.py": (*SCORES, *REFERENCE),
    "benchmarks/scoring/facts.py": FACTS,
    "benchmarks/scoring/posterior_score.py": SCORES,
    "benchmarks/scoring/scored_run.py": (*SCORES, *FACTS, *REFERENCE, *SCORED, *NO_REFERENCE),
    "benchmarks/scoring/summary.py": (*SUMMARY, *REPORT),
    "benchmarks/scoring/comparisons.py": TABLES,
    "benchmarks/scoring/mixture_score.py": SCORED_ALONE,
    "benchmarks/scoring/targets.py": TABLES,
    "benchmarks/scoring/posterior.py": TABLES,
    "benchmarks/scoring/truth_errors.py": (*SCORES, *TRUTH),
    "benchmarks/scoring/data_set.py": (*SCORES, *SCORED_ALONE, *TRUTH, *REFERENCE, *SCORED),
    "benchmarks/scoring/statistics.py": (*STATISTICS, *TABLES),
    "benchmarks/runner/run_status.py": (*FACTS, *INTERRUPTED),
    "benchmarks/runner/journal.py": (*JOURNAL, *PROPERTIES),
    "benchmarks/runner/plan.py": (*PROGRESS, *FACTS, *PROPERTIES, *WRONG, *RESUMED),
    "benchmarks/runner/border.py": BORDER,
    "benchmarks/runner/choices.py": (*FACTS, *WRONG, *HELP, *RESUMED, *GROWN),
    "benchmarks/runner/estimate.py": ESTIMATE,
    "benchmarks/runner/seeds.py": PROPERTIES,
    "benchmarks/runner/session.py": (*FACTS, *CODE, *WRONG, *RESUMED),
    "benchmarks/runner/cell_progress.py": PROGRESS,
    "benchmarks/compare/pairs.py": (*CHANGES, *VERDICT, *FACTS, *CODE, *PAIRS),
    "benchmarks/compare/paired_tests.py": PAIRED,
    "benchmarks/compare/accepted.py": CHANGES,
    "benchmarks/compare/changes.py": (*CHANGES, *VERDICT),
    "benchmarks/compare/lines.py": VERDICT,
    "benchmarks/compare/settle.py": SETTLE,
    "benchmarks/compare/verdict.py": VERDICT,
    "benchmarks/compare/baseline.py": (*FACTS, *BASELINE),
}
"""The tests that must kill a module's mutants, the fastest first."""

COMPARISONS = {
    ast.Lt: (("<",), "<="),
    ast.LtE: (("<=",), "<"),
    ast.Gt: ((">",), ">="),
    ast.GtE: ((">=",), ">"),
    ast.Eq: (("==",), "!="),
    ast.NotEq: (("!=",), "=="),
    ast.In: (("in",), "not in"),
    ast.NotIn: (("not", "in"), "in"),
    ast.Is: (("is",), "is not"),
    ast.IsNot: (("is", "not"), "is"),
}
ARITHMETIC = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),  # of masks; the other way round is mostly a union of types or dicts
}
CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
CALLED |= {"minimum": "maximum", "maximum": "minimum"}
SKIPPED = (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert, ast.JoinedStr)
"""Code that declares types, raises errors, asserts or words a message."""
IGNORED_FIELDS = ("annotation", "returns", "decorator_list")
IGNORED_KEYWORDS = ("strict", "sort", "n_resamples")
ARBITRARY = ("default_rng",)
"""Calls whose arguments are arbitrary, such as seeds."""
DISPLAYS = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.ListComp)
"""Values that are no numbers: most other operators between two of them raise an error."""


@dataclass(frozen=True)
class Site:
    """A place that can change: the kind of change, and the change."""

    kind: str
    edit: Edit


@cache
def sites(source: str) -> tuple[Site, ...]:
    """Every place of a module that can change, in order."""
    found = _Sites(source).of(ast.parse(source))
    return tuple(sorted(found, key=lambda site: (site.edit.start, site.kind)))


def drawn(root: Path, seed: int, count: int) -> list[Drawn]:
    """``count`` mutants of the modules in ``TESTS``, from each in proportion to its sites.

    The same for the same sources and seed.
    """
    pool: list[Drawn] = []
    for file in TESTS:
        source = (root / file).read_text(encoding="utf-8")
        found = [_mutant(file, source, site) for site in sites(source)]
        pool += random.Random(f"{seed}/{file}").sample(found, len(found))
    count = min(count, len(pool))
    return [pool[int((index + 0.5) * len(pool) / count)] for index in range(count)]


def _mutant(file: str, source: str, site: Site) -> Drawn:
    start = site.edit.start
    column = start - source.rfind("\n", 0, start)
    name = f"{Path(file).stem}:{site.edit.line(source)}:{column}:{site.kind}"
    return Drawn(name, file, site.edit, TESTS[file])


class _Sites:
    """The sites of one source; positions are in characters."""

    def __init__(self, source: str) -> None:
        self._lines = list(io.StringIO(source))
        self._offsets = [0]
        for line in self._lines:
            self._offsets.append(self._offsets[-1] + len(line))
        self._tokens = [
            (self._offsets[token.start[0] - 1] + token.start[1], token.string)
            for token in tokenize.generate_tokens(io.StringIO(source).readline)
            if token.type in (tokenize.OP, tokenize.NAME)
        ]

    def of(self, node: ast.AST) -> Iterator[Site]:
        """The sites in a node and below it."""
        if isinstance(node, SKIPPED) or _is_type_checking(node) or _is_table(node):
            return
        rule = getattr(self, f"_{type(node).__name__.lower()}", None)
        if rule is not None:
            yield from rule(node)
        for field, value in ast.iter_fields(node):
            if field in IGNORED_FIELDS or _is_arbitrary(node, field):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_ignored(child):
                    yield from self.of(child)

    def _compare(self, node: ast.Compare) -> Iterator[Site]:
        for operator, left, right in zip(
            node.ops, [node.left, *node.comparators], node.comparators, strict=False
        ):
            words, text = COMPARISONS[type(operator)]
            yield self._swap(left, right, words, text)

    def _binop(self, node: ast.BinOp) -> Iterator[Site]:
        swap = ARITHMETIC.get(type(node.op))
        if swap is not None and _is_number(node.left) and _is_number(node.right):
            yield self._swap(node.left, node.right, swap[:1], swap[1])

    def _boolop(self, node: ast.BoolOp) -> Iterator[Site]:
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            yield self._swap(left, right, (old,), new)

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[Site]:
        word = {ast.Not: "not", ast.Invert: "~"}.get(type(node.op))
        if word is not None:
            start = self._start(node)
            after = 1 if word == "not" else 0  # and the blank
            yield Site(f"{word} removed", Edit(start, start + len(word) + after, ""))

    def _constant(self, node: ast.Constant) -> Iterator[Site]:
        value = node.value
        if isinstance(value, bool):
            yield self._whole(f"{value} to {not value}", node, str(not value))
        elif isinstance(value, int):
            yield self._whole(f"{value} to {value + 1}", node, str(value + 1))
        elif isinstance(value, float):
            new = 2.0 * value if value else 1.0
            yield self._whole(f"{value} to {new}", node, repr(new))

    def _return(self, node: ast.Return) -> Iterator[Site]:
        empty = isinstance(node.value, ast.Constant) and not node.value.value
        if node.value is not None and not empty:
            yield self._whole("return None", node.value, "None")

    def _expr(self, node: ast.Expr) -> Iterator[Site]:
        if isinstance(node.value, ast.Call):
            yield self._whole("call deleted", node, "pass")

    def _augassign(self, node: ast.AugAssign) -> Iterator[Site]:
        yield self._whole("assignment deleted", node, "pass")

    def _call(self, node: ast.Call) -> Iterator[Site]:
        name = getattr(node.func, "id", getattr(node.func, "attr", ""))
        if name in CALLED:
            end = self._end(node.func)
            edit = Edit(end - len(name), end, CALLED[name])
            yield Site(f"{name} to {CALLED[name]}", edit)

    def _break(self, node: ast.Break) -> Iterator[Site]:
        yield self._whole("break to continue", node, "continue")

    def _continue(self, node: ast.Continue) -> Iterator[Site]:
        yield self._whole("continue to break", node, "break")

    def _slice(self, node: ast.Slice) -> Iterator[Site]:
        for bound in (node.lower, node.upper):
            if isinstance(bound, ast.Name | ast.Attribute | ast.BinOp | ast.Call | ast.Subscript):
                end = self._end(bound)
                yield Site("slice off by one", Edit(end, end, " + 1"))

    def _swap(self, left: ast.expr, right: ast.expr, words: tuple[str, ...], text: str) -> Site:
        """Another operator between two operands."""
        low, high = self._end(left), self._start(right)
        between = [token for token in self._tokens if low <= token[0] < high]
        first = [token[1] for token in between].index(words[0])
        start, (last, word) = between[first][0], between[first + len(words) - 1]
        kind = f"{' '.join(words)} to {text}"
        return Site(kind, Edit(start, last + len(word), text))

    def _whole(self, kind: str, node: ast.expr | ast.stmt, text: str) -> Site:
        return Site(kind, Edit(self._start(node), self._end(node), text))

    def _start(self, node: ast.expr | ast.stmt) -> int:
        return self._at(node.lineno, node.col_offset)

    def _end(self, node: ast.expr | ast.stmt) -> int:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._at(node.end_lineno, node.end_col_offset)

    def _at(self, line: int, column: int) -> int:
        """The place of a line and a column, which the ast counts in bytes."""
        before = self._lines[line - 1].encode()[:column].decode()
        return self._offsets[line - 1] + len(before)


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"


def _is_table(node: ast.AST) -> bool:
    """Whether it is a constant such as ``PROFILES``: a table of arbitrary choices."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, DISPLAYS):
        return False
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return isinstance(target, ast.Name) and target.id.isupper()


def _is_ignored(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in IGNORED_KEYWORDS


def _is_arbitrary(node: ast.AST, field: str) -> bool:
    if not isinstance(node, ast.Call) or field == "func":
        return False
    return getattr(node.func, "id", getattr(node.func, "attr", "")) in ARBITRARY


def _is_number(node: ast.expr) -> bool:
    """Whether an operand may be a number or an array, by its syntax."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return not text and not isinstance(node, DISPLAYS)
