"""From pairs to verdicts: regressed, passed, inconclusive, or measured nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from benchmarks.gate.pairs import Pairs
from benchmarks.harness import evidence

if TYPE_CHECKING:
    import pandas as pd

Word = Literal["regressed", "passed", "inconclusive", "measured nothing"]
EXIT = {"passed": 0, "regressed": 1, "inconclusive": 3, "measured nothing": 4}
CLOSE = ("converged", "basin")


@dataclass(frozen=True)
class Rate:
    """A share of trials: a loss of it, in all trials, is a regression."""

    name: str
    statuses: tuple[str, ...]
    """Those that count as success; whatever else became of a trial counts as failure."""
    tolerated: float = 0.02
    must_see: float = 0.2
    """Losses up to ``tolerated`` are none; ``passed`` says that there is none of ``must_see``."""


@dataclass(frozen=True)
class Ratio:
    """A figure of which less is better, on pairs that are close to the optimum on both sides."""

    name: str
    column: str
    floor: float
    cap: float
    """Figures are clipped to these: below the floor all are equally good."""
    tolerated: float
    must_see: float
    """Ratios of new to base, as for ``Rate``."""


METRICS: tuple[Rate | Ratio, ...] = (
    Rate("converged", ("converged",)),
    Rate("close", CLOSE),
    Ratio("excess", "excess", 1e-3, 1.0, 1.25, 2.0),
    Ratio("inf. error", "information_error", 0.1, 100.0, 1.05, 1.25),
    Ratio("Hellinger", "hellinger", 1e-3, 1.0, 1.05, 1.25),
    Ratio("passes", "evaluations", 1.0, 1e7, 1.05, 1.5),
    Ratio("time", "seconds", 1e-3, 1e5, 1.1, 1.5),
)


@dataclass(frozen=True)
class Verdict:
    """What two runs say of one fitter by one metric.

    ``estimate``, ``low`` and ``high`` are a loss of a rate (0.1: ten of a hundred trials
    fewer) or a ratio of new to base; the bounds are missed with at most alpha each.
    """

    fitter: str
    metric: str
    kind: Literal["loss", "ratio"]
    word: Word
    pairs: int
    data_sets: int
    unequal: int
    """Pairs that are not the same on both sides."""
    estimate: float
    low: float
    high: float
    p: float
    p_holm: float
    detectable: float
    """The smallest loss or ratio that this design could have seen, at its level in Holm's order."""
    where: str = ""
    settle: str = ""
    advisory: bool = False
    """Whether it has no part in the whole's verdict: times that did not run by turns."""


@dataclass(frozen=True)
class Comparison:
    """All verdicts, and the one word that they come to."""

    word: Word
    alpha: float
    verdicts: list[Verdict]
    unpaired: dict[str, tuple[int, int]]
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """0 passed, 1 regressed, 3 inconclusive, 4 measured nothing."""
        return EXIT[self.word]


def compare(pairs: Pairs, alpha: float) -> Comparison:
    """Every fitter by every metric, Holm's correction over all that count."""
    verdicts = []
    groups = dict(iter(pairs.table.groupby("fitter", sort=False)))
    fitters = dict.fromkeys([*groups, *pairs.unpaired])
    # The level that the first in Holm's order is held to: what can be seen depends on it.
    level = alpha / max(1, len(fitters) * (len(METRICS) - (not pairs.interleaved)))
    for fitter in fitters:
        group = groups.get(fitter, pairs.table.iloc[:0])
        for metric in METRICS:
            if isinstance(metric, Rate):
                verdict = _rate(fitter, metric, group, alpha, level)
            else:
                verdict = _ratio(fitter, metric, group, alpha, level)
            advisory = metric.name == "time" and not pairs.interleaved
            verdicts.append(replace(verdict, advisory=advisory))
    verdicts = _decided(verdicts, alpha)
    return Comparison(_whole(verdicts), alpha, verdicts, pairs.unpaired, pairs.notes)


def _rate(fitter: str, rate: Rate, group: pd.DataFrame, alpha: float, level: float) -> Verdict:
    base, new = (group[f"{side}_status"].isin(rate.statuses) for side in ("base", "new"))
    lost, won = group[base & ~new], group[~base & new]
    if not len(group):
        return _nothing(fitter, rate.name, "loss")
    counts = (int((base & new).sum()), len(lost), len(won), int((~base & ~new).sum()))
    low, high = evidence.loss_bounds(*counts, alpha)
    return Verdict(
        fitter=fitter,
        metric=rate.name,
        kind="loss",
        word="inconclusive",
        pairs=len(group),
        data_sets=len(group[["scenario", "data_set"]].drop_duplicates()),
        unequal=len(lost) + len(won),
        estimate=(len(lost) - len(won)) / len(group),
        low=low,
        high=high,
        p=evidence.mcnemar(len(lost), len(won)),
        p_holm=1.0,
        detectable=max(rate.tolerated, evidence.least_loss(len(group), level)),
        where=_most(lost["scenario"].value_counts(), "{} {}"),
    )


def _ratio(fitter: str, ratio: Ratio, group: pd.DataFrame, alpha: float, level: float) -> Verdict:
    near = group["base_status"].isin(CLOSE) & group["new_status"].isin(CLOSE)
    sides = group.loc[near, [f"base_{ratio.column}", f"new_{ratio.column}"]].dropna()
    if sides.empty:
        return _nothing(fitter, ratio.name, "ratio")
    logs = np.log(sides.clip(ratio.floor, ratio.cap))
    change = logs.iloc[:, 1] - logs.iloc[:, 0]
    # Restarts that came to one optimum are copies of one another: data sets are what counts.
    keys = [group.loc[sides.index, name] for name in ("scenario", "data_set")]
    medians = change.groupby(keys, sort=False).median()
    values = medians.to_numpy(dtype=float)
    low, high = evidence.flip_bounds(values, alpha)
    by_scenario = medians.groupby(level=0, sort=False).mean().sort_values(ascending=False)
    worst = by_scenario[by_scenario > np.log(ratio.tolerated)]
    return Verdict(
        fitter=fitter,
        metric=ratio.name,
        kind="ratio",
        word="inconclusive",
        pairs=len(sides),
        data_sets=len(values),
        unequal=int((change != 0.0).sum()),
        estimate=float(np.exp(values.mean())),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        p=evidence.sign_flip(values),
        p_holm=1.0,
        detectable=max(ratio.tolerated, float(np.exp(evidence.least_shift(values, level)))),
        where=_most(np.exp(worst), "{} × {:.3g}"),
    )


def _nothing(fitter: str, name: str, kind: Literal["loss", "ratio"]) -> Verdict:
    lost, need = float("nan"), "trials of this fitter"
    return Verdict(
        fitter=fitter,
        metric=name,
        kind=kind,
        word="measured nothing",
        pairs=0,
        data_sets=0,
        unequal=0,
        estimate=lost,
        low=lost,
        high=lost,
        p=1.0,
        p_holm=1.0,
        detectable=float("inf"),
        settle=f"{need if kind == 'loss' else 'fits close to the optimum'} on both sides",
    )


def _decided(verdicts: list[Verdict], alpha: float) -> list[Verdict]:
    """Verdicts with Holm's p over those that count, and their words."""
    counted = [i for i, v in enumerate(verdicts) if v.pairs and not v.advisory]
    adjusted = evidence.holm(np.array([verdicts[i].p for i in counted]))
    holms = dict(zip(counted, adjusted.tolist(), strict=True))
    by_name = {metric.name: metric for metric in METRICS}
    told = []
    for index, verdict in enumerate(verdicts):
        metric = by_name[verdict.metric]
        p = holms.get(index, verdict.p)
        word, settle = verdict.word, verdict.settle
        if verdict.pairs:
            if p < alpha and verdict.estimate > metric.tolerated:
                word = "regressed"
            elif verdict.unequal == 0 or verdict.high < metric.must_see:
                word = "passed"
            else:
                settle = _settle(verdict, metric, alpha)
        told.append(replace(verdict, p_holm=p, word=word, settle=settle))
    return told


def _settle(verdict: Verdict, metric: Rate | Ratio, alpha: float) -> str:
    """What an inconclusive verdict needs, in words."""
    if isinstance(metric, Rate):
        if verdict.estimate >= metric.must_see:
            return "more restarts: the loss is large, and so few trials can't show it"
        spread = max(verdict.high - verdict.estimate, 1e-9)
        room = metric.must_see - verdict.estimate
        return f"about {int(np.ceil(verdict.pairs * (spread / room) ** 2))} trials"
    least = evidence.fewest(alpha)
    if verdict.data_sets < least:
        return f"at least {least} data sets"
    room = np.log(metric.must_see) - np.log(verdict.estimate)
    if room <= 0.0:
        return "more data sets: the change is large, and so few can't show it"
    spread = np.log(verdict.high) - np.log(verdict.estimate)
    return f"about {int(np.ceil(verdict.data_sets * (spread / room) ** 2))} data sets"


def _whole(verdicts: Iterable[Verdict]) -> Word:
    counted = [verdict for verdict in verdicts if not verdict.advisory]
    words = {verdict.word for verdict in counted}
    if "regressed" in words:
        return "regressed"
    if "inconclusive" in words:
        return "inconclusive"
    seen = {verdict.fitter for verdict in counted if verdict.pairs}
    # A fitter of which nothing was measured may be anything, whatever the others are.
    if not counted or any(verdict.fitter not in seen for verdict in counted):
        return "measured nothing"
    return "passed"


def _most(series: Any, form: str) -> str:
    """The first three entries of a series that is sorted already, in words."""
    told = ", ".join(form.format(name, value) for name, value in series.head(3).items())
    return f"on {told}" if told else ""
