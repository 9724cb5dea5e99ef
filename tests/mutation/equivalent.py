"""Drawn mutants that change nothing that a test could see, each with the reason."""

from __future__ import annotations

EQUAL_FLOATS = "only where two floats that are computed apart are equal to the last bit"
SLOWER_ALONE = "the kernel is then not trusted, and scipy gives the same figures in more time"
ANOTHER_POINT = "the kernel is compared with scipy at another point, as good as this one"

# (file, the line before, the line after)
EQUIVALENT = {
    (
        "benchmarks/harness/judge.py",
        "if not own[k] >= LONELY_FLOOR * whole and expected[k] < FEW:",
        "if not own[k] > LONELY_FLOOR * whole and expected[k] < FEW:",
    ): EQUAL_FLOATS,
    (
        "benchmarks/harness/judge.py",
        "inside = (x > low) & (x < high)",
        "inside = (x > low) | (x < high)",
    ): "nodes lie strictly between the ends of panels, which lie inside the support",
    (
        "benchmarks/harness/judge.py",
        "inside = (x > low) & (x < high)",
        "inside = (x >= low) & (x < high)",
    ): "nodes lie strictly between the ends of panels, which lie inside the support",
    (
        "benchmarks/harness/judgement.py",
        "agreed = abs(top.log_likelihood - gained + n * nll) <= BETTER * 1e-3",
        "agreed = abs(top.log_likelihood - gained - n * nll) <= BETTER * 1e-3",
    ): SLOWER_ALONE,
    (
        "benchmarks/harness/accuracy.py",
        '"covered_50": (table[1] <= target) & (target <= table[2]),',
        '"covered_50": (table[1] <= target) & (target < table[2]),',
    ): EQUAL_FLOATS,
    ("benchmarks/harness/problem.py", "rows[1] *= 1.1", "rows[1] *= 2.2"): ANOTHER_POINT,
    (
        "benchmarks/harness/problem.py",
        "return bool(abs(-kernel / self.sample.size - told) <= 1e-9 * max(1.0, abs(told)))",
        "return bool(abs(-kernel / self.sample.size - told) <= 1e-9 * max(2.0, abs(told)))",
    ): "the tolerance is a choice of that size",
    (
        "benchmarks/harness/problem.py",
        "return bool(abs(-kernel / self.sample.size - told) <= 1e-9 * max(1.0, abs(told)))",
        "return bool(abs(-kernel / self.sample.size - told) <= 1e-9 / max(1.0, abs(told)))",
    ): "the tolerance is a choice of that size",
    (
        "benchmarks/harness/problem.py",
        "judge.Judged(self.scenario.family.name, np.full(2, 0.5), rows), self.observations",
        "judge.Judged(self.scenario.family.name, np.full(2, 1.0), rows), self.observations",
    ): SLOWER_ALONE,
    (
        "benchmarks/harness/journal.py",
        "elif now or time.monotonic() - self._synced_at >= SYNC / 2:",
        "elif now or time.monotonic() - self._synced_at > SYNC / 2:",
    ): EQUAL_FLOATS,
    (
        "benchmarks/gate/verdict.py",
        "elif verdict.unequal == 0 or verdict.high < metric.must_see:",
        "elif verdict.unequal == 0 or verdict.high <= metric.must_see:",
    ): EQUAL_FLOATS,
    (
        "benchmarks/harness/evidence.py",
        "if excess > 0.0:  # a correction for continuity, his",
        "if excess >= 0.0:  # a correction for continuity, his",
    ): "zero corrected is zero",
    ("benchmarks/gate/verdict.py", "p_holm=1.0,", "p_holm=2.0,"): "it is replaced in _decided",
}
