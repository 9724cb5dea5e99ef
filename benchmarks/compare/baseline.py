"""Write a baseline: the facts of a run that comparisons read, small enough to be committed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.compare.pairs import STARTS
from benchmarks.compare.repeats import measure_repeats
from benchmarks.files import replace_file
from benchmarks.runner.execution import available_cores
from benchmarks.runner.journal import RUN, TRIALS, forget_paths, read, to_line, write_run
from benchmarks.runner.plan import TRIAL, Plan, Record
from benchmarks.runner.progress import say
from benchmarks.runner.provenance import code_state, code_text
from benchmarks.runner.supervisor import Supervisor
from scenarios.errors import UserError

FIELDS = (
    "schema", *TRIAL, "outcome", "claimed", "iterations", "passes", "start_passes", "weights",
    "parameters",
)  # fmt: skip
"""Fields of a record that are kept: what a fitter did and returned. Clocks are not."""
POSTERIOR = ("r_hat", "ess", "ess_tail", "chain_means")


def write_baseline(folder: Path, out: Path) -> tuple[int, int]:
    """Copy the facts of the run in ``folder`` to ``out``; returns (trials, bytes).

    Its fitters are run again on the first data sets, to record which repeat exactly. Raises
    ``UserError`` unless the run is complete, of today's code and of drawn data, or if ``out``
    holds anything but a run or can't be written.
    """
    run, records = read(folder)
    plan = Plan.of(run["plan"])
    if len(records) < plan.size():
        raise UserError(
            f"the run in {folder} is not complete ({len(records)} of {plan.size()} trials): "
            f"complete it first: mixturebench run --out {folder}"
        )
    real = [scenario.name for scenario in plan.scenarios if scenario.truth is None]
    if real:
        raise UserError(
            f"the run in {folder} has real data ({real[0]}), which a baseline can't contain: "
            "leave it out of the baseline's plan"
        )
    if out.exists() and any(path.name not in (RUN, TRIALS) for path in out.iterdir()):
        raise UserError(f"--out {out} holds something else than a baseline: name another folder")
    state = code_state()
    if run.get("code", state)["digest"] != state["digest"]:
        raise UserError(
            f"the run in {folder} is of {code_text(run['code'])}, and today's is "
            f"{code_text(state)}: whether a fitter repeats can't be measured; run it again"
        )
    say("running each fitter again: which repeat exactly?")
    with closing(Supervisor(plan.limits, available_cores())) as supervisor:
        run["repeats"] = measure_repeats(plan, records, supervisor)
    say("")
    forget_paths(run)
    lines = [to_line(record) for record in _reduced(plan.ordered(records))]
    for name in ("against", "looks"):
        run.pop(name, None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / TRIALS, b"".join(lines))
        write_run(out, run)
    except OSError as error:
        raise UserError(f"--out {out} can't be written to: {error.strerror}") from error
    return len(lines), sum(len(line) for line in lines)


def _reduced(records: list[Record]) -> Iterator[Record]:
    """Yield records with the fields to keep.

    Each data set and each start is described once, since all fitters have the same.
    """
    described = set()
    for record in records:
        kept = {name: record[name] for name in FIELDS if name in record}
        data_set = (record["scenario"], record["replicate"])
        start = (*data_set, record["start"], record["restart"])
        for key, names in ((data_set, ("data",)), (start, STARTS)):
            if key not in described and all(name in record for name in names):
                kept |= {name: record[name] for name in names}
                described.add(key)
        if record.get("posterior"):
            posterior = record["posterior"]
            kept["posterior"] = {name: posterior[name] for name in POSTERIOR if name in posterior}
        yield kept
