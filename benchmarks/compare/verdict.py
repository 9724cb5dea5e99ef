"""Verdicts on pairs of trials: regressed, passed, inconclusive, or measured nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.compare.accepted import ACCEPTED, trial_name
from benchmarks.compare.changes import TOLERATED_COST, names_of, summarise_changes, with_changes
from benchmarks.compare.lines import (
    LINES,
    TIME,
    decided,
    holm_over_fitters,
    is_disturbed,
    line_rows,
    shown,
)
from benchmarks.compare.looks import SHARES
from benchmarks.compare.pairs import Pairs
from benchmarks.runner.plan import Key, key_of

if TYPE_CHECKING:
    import pandas as pd

EXIT = {"passed": 0, "regressed": 1, "inconclusive": 3, "measured nothing": 4}
"""Exit status by verdict."""
WORST_FIRST = ("regressed", "inconclusive", "measured nothing", "passed")
DISTURBED = "disturbed"
"""The verdict of a line whose figures are disturbed: it decides nothing."""
EXACT, DRAWN = "exact", "drawn"
"""How a fitter is compared with a base of the same data: trial by trial, or by statistics."""
NO_CHANGES = {
    "identical": 0, "broken": 0, "accepted": 0, "mended": 0, "changed": 0, "cost": np.nan,
}  # fmt: skip
FITTER_COLUMNS = (
    "fitter", "layer", "look", "data_sets", "pairs", *NO_CHANGES, "verdict", "details",
)  # fmt: skip
LINE_COLUMNS = (
    "fitter", "line", "is_rate", "tolerated", "must_detect", "data_sets", "unequal", "estimate",
    "high", "p", "log_e", "p_holm", "verdict", "details",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Comparison:
    """The verdicts of a comparison, and the overall verdict.

    ``fitters`` has a row for each fitter: how its trials changed, its ``look``, its ``verdict``
    and ``details``. ``changes`` has the trials that are not identical, of fitters that repeat
    exactly. ``lines`` has the figures that are tested, a row for each fitter and line:
    ``estimate`` and ``high``, the upper bound at 1 - alpha, are a loss of a rate (0.1: ten of a
    hundred trials fewer) or the logarithm of a ratio of new to base. ``shown`` has figures that
    decide nothing. ``seed`` is that of the sign flips.
    """

    fitters: pd.DataFrame
    lines: pd.DataFrame
    changes: pd.DataFrame
    shown: pd.DataFrame
    alpha: float
    seed: int
    notes: list[str]

    @property
    def verdict(self) -> str:
        """The worst verdict of a fitter."""
        return worst(self.fitters["verdict"])

    @property
    def exit_code(self) -> int:
        """The exit status of the overall verdict."""
        return EXIT[self.verdict]

    @property
    def sentence(self) -> str:
        """The verdict in a sentence, with each regression."""
        from benchmarks.compare.render import sentence

        return sentence(self)

    def undecided(self) -> list[str]:
        """The fitters that more data sets could decide."""
        return self.fitters.loc[self.fitters["verdict"] == "inconclusive", "fitter"].tolist()

    def text(self, form: str = "text", wide: bool = False) -> str:
        """The comparison as ``text``, which may be ``wide``, as ``markdown`` or as ``json``."""
        from benchmarks.compare.render import rendered

        return rendered(self, form, wide)

    def __repr__(self) -> str:
        return self.text()


def worst(verdicts: Iterable[str]) -> str:
    """The worst of some verdicts; "measured nothing" if there is none."""
    found = set(verdicts)
    return next((name for name in WORST_FIRST if name in found), "measured nothing")


def compare(pairs: Pairs, alpha: float, accepted: Mapping[Key, str] | None = None) -> Comparison:
    """Compare every fitter of some pairs, trial by trial and by lines.

    A fitter that repeats exactly is compared trial by trial; by lines too if the data are new. Any
    other is compared by lines, unless all its records are identical. ``accepted`` has the trials
    that may break, with reasons.
    """
    import pandas as pd

    accepted = accepted or {}
    groups = dict(iter(pairs.table.groupby("fitter", sort=False)))
    new_only = [fitter for fitter, (_, new) in pairs.unpaired.items() if new]
    judged = [
        _Judged.of(fitter, groups.get(fitter, pairs.table.iloc[:0]), pairs, accepted)
        for fitter in dict.fromkeys([*groups, *new_only, *pairs.looks])
    ]
    seed = _seed(pairs.table)
    lines = _lines(judged, pairs, alpha, seed)
    for fitter in judged:
        fitter.decide([row for row in lines if row["fitter"] == fitter.name], pairs)
    changes = [j.table[~j.table["identical"]] for j in judged if j.layer == EXACT]
    return Comparison(
        pd.DataFrame([fitter.row() for fitter in judged], columns=list(FITTER_COLUMNS)),
        pd.DataFrame(lines, columns=list(LINE_COLUMNS)),
        pd.concat(changes, ignore_index=True) if changes else pairs.table.iloc[:0],
        pd.DataFrame(
            [{"fitter": j.name, **row} for j in judged for row in shown(j.table)],
            columns=["fitter", "figure", "trials", "ratio"],
        ),
        alpha,
        seed,
        _notes(pairs, judged, accepted),
    )


@dataclass(eq=False)
class _Judged:
    """One fitter of a comparison, at its last complete look."""

    name: str
    layer: str
    look: int | None
    """Which look is complete, from 1; 0: none yet; None: the comparison has no looks."""
    table: pd.DataFrame
    """Its pairs on the data sets of that look, with ``change``."""
    summary: dict[str, Any]
    verdict: str = "inconclusive"
    details: str = ""

    @classmethod
    def of(
        cls, name: str, table: pd.DataFrame, pairs: Pairs, accepted: Mapping[Key, str]
    ) -> _Judged:
        """Cut the pairs to the last complete look, and list what changed."""
        look, (_, new_only) = None, pairs.unpaired.get(name, (0, 0))
        if name in pairs.looks and not (table.empty and new_only):
            complete = pairs.complete.get(name, len(table["replicate"].unique()))
            look = sum(size <= complete for size in pairs.looks[name])
            replicates = pairs.looks[name][look - 1] if look else 0
            table = table[table["replicate"] < replicates]
        table = with_changes(table, accepted)
        layer = EXACT if pairs.repeats.get(name) else DRAWN
        summary = summarise_changes(table) if len(table) else NO_CHANGES
        return cls(name, layer, look, table, summary)

    @property
    def all_identical(self) -> bool:
        """Whether no trial changed."""
        return len(self.table) > 0 and self.summary["changed"] == 0

    def share(self, alpha: float) -> float:
        """The level of its tests at this look."""
        return alpha if self.look is None else alpha * SHARES[max(self.look, 1) - 1]

    def decide(self, lines: list[dict[str, Any]], pairs: Pairs) -> None:
        """Set the verdict and the details."""
        verdicts = [row["verdict"] for row in lines if row["verdict"] != DISTURBED]
        broken, cost = self.summary["broken"], self.summary["cost"]
        exact = self.layer == EXACT
        if self.table.empty:
            self.verdict, self.details = _nothing(self.look)
            return
        if exact and broken:
            verdicts.append("regressed")
            self.details = "; ".join(names_of(self.table, "broken"))
        if exact and not pairs.interleaved:
            verdicts.append("regressed" if cost > TOLERATED_COST else "passed")
            self.details = self.details or (f"cost × {cost:.3g}" if cost > TOLERATED_COST else "")
        if not exact and self.all_identical:
            verdicts.append("passed")
        self.verdict = worst(verdicts)
        if self.all_identical and not self.details:
            self.details = "all trials identical"
        if not self.details:
            self.details = "; ".join(
                f"{row['line']}: {row['details']}"
                for row in lines
                if row["verdict"] == self.verdict and row["details"]
            )

    def row(self) -> dict[str, Any]:
        """The fitter's row of the table."""
        return {
            "fitter": self.name,
            "layer": self.layer,
            "look": self.look,
            "data_sets": len(self.table[["scenario", "replicate"]].drop_duplicates()),
            "pairs": len(self.table),
            **self.summary,
            "verdict": self.verdict,
            "details": self.details,
        }


def _lines(judged: list[_Judged], pairs: Pairs, alpha: float, seed: int) -> list[dict[str, Any]]:
    """The rows of all lines, with Holm's correction over fitters, verdicts and details.

    There are none of a fitter without pairs, nor of one whose trials decide alone: that repeats
    exactly on data of the base, or that draws and gave identical records.
    """
    rows: list[dict[str, Any]] = []
    for fitter in judged:
        if fitter.table.empty or (fitter.layer == EXACT and not pairs.interleaved):
            continue
        names = LINES if fitter.layer == EXACT or not fitter.all_identical else (TIME,)
        lines = tuple(line for line in names if pairs.interleaved or line is not TIME)
        tested = tuple(line for line in lines if line is not TIME or not is_disturbed(fitter.table))
        for chosen in (tested, tuple(line for line in lines if line not in tested)):
            if chosen:
                values = np.column_stack([line.values(fitter.table) for line in chosen])
                found = line_rows(values, chosen, alpha, seed)
                rows += [{"fitter": fitter.name, **row, "tested": chosen is tested}
                         for row in found]  # fmt: skip
    p = {
        name: np.array([row["p"] for row in rows if row["fitter"] == name and row["tested"]])
        for name in dict.fromkeys(row["fitter"] for row in rows if row["tested"])
    }
    adjusted = {name: iter(values) for name, values in holm_over_fitters(p).items()}
    levels = {fitter.name: fitter.share(alpha) for fitter in judged}
    for row in rows:
        if row.pop("tested"):
            row["p_holm"] = float(next(adjusted[row["fitter"]]))
            row["verdict"], row["details"] = decided(row, levels[row["fitter"]], alpha)
        else:
            row |= {"p_holm": np.nan, "verdict": DISTURBED, "details": "decides nothing"}
    return rows


def _nothing(look: int | None) -> tuple[str, str]:
    """The verdict and the details of a fitter without pairs."""
    if look == 0:
        return "inconclusive", "the budget ended before its first look: give a larger --budget"
    return "measured nothing", "needs trials of this fitter on both sides"


def _seed(table: pd.DataFrame) -> int:
    """A seed for the sign flips: another for other figures, and the same when repeated."""
    text = table.to_csv(index=False)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def _notes(pairs: Pairs, judged: list[_Judged], accepted: Mapping[Key, str]) -> list[str]:
    """Return the notes of a comparison, each with a remedy."""
    notes = [
        f"{fitter}: {base} trials are in the base only and {new} in the new run only, and are "
        "not compared: run both sides with the same plan, or renew the baseline"
        for fitter, (base, new) in pairs.unpaired.items()
        if fitter not in pairs.looks or new > 0  # the base has the data sets of all looks
    ]
    stale = [
        f"{row['fitter']}: {trial_name(row)}"
        for fitter in judged
        for row in (fitter.table.to_dict("records") if accepted else ())
        if key_of(row) in accepted and row["change"] != "accepted"
    ]
    if stale:
        notes.append(f"{ACCEPTED} names trials that did not break: {'; '.join(stale)}")
    disturbed = [j.name for j in judged if pairs.interleaved and len(j.table)
                 and is_disturbed(j.table)]  # fmt: skip
    if disturbed:
        notes.append(
            f"times of {', '.join(disturbed)} decide nothing: the processor was busy with the "
            "median trial for less than 95% of its wall time; run on a quiet machine"
        )
    return notes + pairs.notes
