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
    return tuple(f"tests/test_{file}.py::test_{name}" for name in names.split())


JUDGE = ("tests/test_judge.py", "tests/test_judgement.py")
AGGREGATES, FACTS = ("tests/test_aggregates.py",), ("tests/test_facts.py",)
JOURNAL, PROGRESS = ("tests/test_journal.py",), ("tests/test_cell_progress.py",)
PROPERTIES = ("tests/test_properties.py",)
STATUSES = _of("properties", "a_fit_has_one_status_and_a_limit_is_on_its_better_side")
PLUGIN = _of("plugins", "a_plug_in_family_is_fitted_and_judged")
REFERENCE = _of(
    "reference",
    "liars_are_found_out a_better_fit_takes_the_references_place a_spike_is_not_the_reference "
    "what_cannot_be_told_has_no_parameter_error",
)
EVIDENCE = _of(
    "gate",
    "mcnemar_is_a_tail_of_fair_coins bounds_of_a_loss_are_the_published_ones "
    "bounds_of_a_loss_are_missed_as_often_as_they_say "
    "sign_flips_are_scipys drawn_sign_flips_are_near_the_exact_ones "
    "flip_bounds_are_where_the_test_turns flip_bounds_are_those_that_bisection_finds "
    "sides_of_which_one_always_succeeds_are_uncorrelated "
    "bounds_of_agreeing_pairs_are_corrected_for_continuity holm_is_the_textbooks "
    "the_least_shift_is_found_with_the_power_that_it_states",
)
VERDICT = _of(
    "gate",
    "equal_pairs_pass_and_say_so a_figure_that_is_worse_everywhere_has_regressed "
    "a_small_change_is_tolerated_however_sure "
    "few_data_sets_end_inconclusive_and_say_what_would_settle_it "
    "failures_count_where_the_figures_of_what_is_left_are_fine nothing_to_compare_is_no_pass "
    "a_loss_of_three_in_a_hundred_is_a_regression_where_it_is_sure "
    "a_rate_is_bounded_by_what_became_of_the_pairs_on_both_sides "
    "an_inconclusive_verdict_says_how_much_would_settle_it "
    "times_that_did_not_run_by_turns_are_advisory "
    "verdicts_keep_their_order_in_every_form",
)
BASELINE = _of(
    "gate", "an_incomplete_run_is_no_baseline a_baseline_is_small_and_compares_as_its_run_does"
)
PAIRS = _of(
    "gate",
    "another_start_or_contract_is_broken_input a_run_passes_beside_itself "
    "runs_without_a_scenario_in_common_are_not_compared",
)
WRONG = _of("run", "what_is_wrong_is_one_sentence")
JUDGED = (
    *_of("run", "changed_data_are_not_judged real_data_have_no_truth"),
    *_of("report", "an_older_run_can_still_be_shown"),
)
REPORT = _of("report", "the_verdict_is_made_of_the_figures the_first_table_can_be_recounted")
RESUMED = _of(
    "survival",
    "another_plan_is_refused_naming_what_differs a_damaged_line_is_named "
    "changed_data_are_not_mixed_with_old two_workers_and_one_give_the_same_figures "
    "losses_in_a_row_are_counted_across_sessions",
)
INTERRUPTED = _of("survival", "an_interruption_is_quick_and_says_how_to_go_on")
TESTS = {
    "benchmarks/harness/judge.py": (*JUDGE, *REFERENCE, *PLUGIN),
    "benchmarks/harness/judgement.py": (*JUDGE, *STATUSES, *FACTS, *REFERENCE, *JUDGED),
    "benchmarks/harness/metrics.py": (*AGGREGATES, *JUDGE, *REPORT),
    "benchmarks/harness/aggregates.py": AGGREGATES,
    "benchmarks/harness/accuracy.py": JUDGE,
    "benchmarks/harness/problem.py": (*JUDGE, *REFERENCE, *JUDGED),
    "benchmarks/harness/evidence.py": (*EVIDENCE, *VERDICT, *AGGREGATES),
    "benchmarks/harness/status.py": (*FACTS, *INTERRUPTED),
    "benchmarks/harness/journal.py": (*JOURNAL, *PROPERTIES),
    "benchmarks/harness/plan.py": (*PROGRESS, *FACTS, *PROPERTIES, *WRONG, *RESUMED),
    "benchmarks/harness/seeds.py": PROPERTIES,
    "benchmarks/harness/run.py": (*FACTS, *WRONG, *RESUMED),
    "benchmarks/harness/cell_progress.py": PROGRESS,
    "benchmarks/gate/pairs.py": (*FACTS, *PAIRS),
    "benchmarks/gate/verdict.py": VERDICT,
    "benchmarks/gate/baseline.py": (*FACTS, *BASELINE),
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
"""Code that only types, raises, checks or words a message."""
UNSEEN_FIELDS = ("annotation", "returns", "decorator_list")
UNSEEN_KEYWORDS = ("strict", "sort", "n_resamples")
ARBITRARY = ("default_rng",)
"""Calls whose arguments are arbitrary, such as seeds."""
DISPLAYS = (ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.ListComp)
"""Values that are no numbers: another operator between two of them is an error at once."""


@dataclass(frozen=True)
class Site:
    """A place that can change: what kind of change it is, and the change."""

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
            if field in UNSEEN_FIELDS or _is_arbitrary(node, field):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST) and not _is_unseen(child):
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
    """Whether it is a constant such as ``PROFILES``: a table of choices, all as good as others."""
    if not isinstance(node, ast.Assign | ast.AnnAssign) or not isinstance(node.value, DISPLAYS):
        return False
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    return isinstance(target, ast.Name) and target.id.isupper()


def _is_unseen(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in UNSEEN_KEYWORDS


def _is_arbitrary(node: ast.AST, field: str) -> bool:
    if not isinstance(node, ast.Call) or field == "func":
        return False
    return getattr(node.func, "id", getattr(node.func, "attr", "")) in ARBITRARY


def _is_number(node: ast.expr) -> bool:
    """Whether an operand may be a number or an array, as far as one can see."""
    text = isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)
    return not text and not isinstance(node, DISPLAYS)
