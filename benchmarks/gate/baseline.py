"""The committed base of comparisons: a run's facts, as small as they can be."""

from __future__ import annotations

from pathlib import Path

from benchmarks.harness.journal import RUN, TRIALS, read, replace_file, to_line, write_run
from benchmarks.harness.plan import Plan
from scenarios.errors import UserError

UNTOLD = ("trace", "host")
"""What no comparison looks at: the largest part of a record, and where it was made."""


def keep(folder: Path, out: Path) -> tuple[int, int]:
    """Copy the facts of the run in ``folder`` to ``out``; (trials, bytes).

    Raises ``UserError`` unless the run is complete, or where ``out`` holds anything but a
    run or can't be written.
    """
    run, records = read(folder)
    plan = Plan.of(run["plan"])
    if len(records) < plan.size():
        raise UserError(
            f"the run in {folder} is not complete ({len(records)} of {plan.size()} trials): "
            f"go on with it first: mixturebench run --out {folder}"
        )
    real = [scenario.name for scenario in plan.scenarios if scenario.truth is None]
    if real:
        raise UserError(
            f"the run in {folder} has real data ({real[0]}), which a baseline can't bring along: "
            "leave it out of the baseline's plan"
        )
    if out.exists() and any(path.name not in (RUN, TRIALS) for path in out.iterdir()):
        raise UserError(f"--out {out} holds something else than a baseline: name another folder")
    for scenario in run["plan"]["scenarios"]:
        scenario["folder"] = "."  # of this machine; drawn data need none
    lines = [
        to_line({name: value for name, value in record.items() if name not in UNTOLD})
        for record in plan.ordered(records)
    ]
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / TRIALS, b"".join(lines))
        write_run(out, run)
    except OSError as error:
        raise UserError(f"--out {out} can't be written to: {error.strerror}") from error
    return len(lines), sum(len(line) for line in lines)
