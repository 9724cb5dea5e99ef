"""Write a baseline: a run without the fields that no comparison reads, to be committed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.files import replace_file
from benchmarks.runner.journal import RUN, TRIALS, read, to_line, write_run
from benchmarks.runner.plan import Plan, Record
from scenarios.errors import UserError

OMITTED_FIELDS = ("trace", "host")
"""Fields of a record that no comparison reads; nor does one read a posterior's ``DRAWS``."""
DRAWS = "kept"


def write_baseline(folder: Path, out: Path) -> tuple[int, int]:
    """Copy the facts of the run in ``folder`` to ``out``; returns (trials, bytes).

    Raises ``UserError`` unless the run is complete and its data are drawn, or if ``out`` holds
    anything but a run or can't be written.
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
    for scenario in run["plan"]["scenarios"]:
        scenario["folder"] = "."  # drawn data need no path of this machine
    lines = [to_line(record) for record in _reduced(plan.ordered(records))]
    try:
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / TRIALS, b"".join(lines))
        write_run(out, run)
    except OSError as error:
        raise UserError(f"--out {out} can't be written to: {error.strerror}") from error
    return len(lines), sum(len(line) for line in lines)


def _reduced(records: list[Record]) -> Iterator[Record]:
    """Yield records without omitted fields and draws; only the first of a cell keeps ``data``."""
    summarised = set()
    for record in records:
        cell = (record["scenario"], record["replicate"], record["fitter"])
        omitted = (*OMITTED_FIELDS, "data") if cell in summarised else OMITTED_FIELDS
        summarised.add(cell)
        kept = {name: value for name, value in record.items() if name not in omitted}
        if kept.get("posterior"):
            kept["posterior"] = {k: v for k, v in kept["posterior"].items() if k != DRAWS}
        yield kept
