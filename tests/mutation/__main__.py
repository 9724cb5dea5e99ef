"""Plant defects one at a time and run the tests on each: ``python -m tests.mutation``.

All named defects (``named.py``) and 100 drawn ones (``drawn.py``) by default; ``--list`` shows
them, ``--sample N`` runs N of them, ``--only NAME`` those whose name matches. Those in
``equivalent.py`` are left out. Exit status: 0; 1 if a named one survives, or fewer than 85 % of the
drawn ones are killed (in a sample: fewer than chance explains); 2 if the tests fail without any
defect, or a table of tests is wrong.
"""

from __future__ import annotations

import argparse
import math
import queue
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from scipy.stats import binom

from benchmarks.runner.execution import terminable
from tests.mutation.drawn import drawn
from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import Drawn, Mutant, MutantError
from tests.mutation.named import NAMED
from tests.mutation.sandbox import KILLED, SURVIVED, UNUSABLE, Outcome, Sandbox

ROOT = Path(__file__).parents[2]
MIN_SHARE = 0.85
"""Share of the drawn mutants that must be killed; the others may have no relevant effect."""


@dataclass(frozen=True)
class Planned:
    """A mutant applied to the current source."""

    name: str
    kind: str
    file: str
    line: int
    before: str
    after: str
    content: str
    tests: tuple[str, ...]

    @classmethod
    def of(cls, mutant: Mutant | Drawn) -> Planned:
        """Apply a mutant; ``MutantError`` if that is not possible."""
        path = ROOT / mutant.file
        if not path.is_file():
            raise MutantError(f"mutant {mutant.name!r}: there is no file {mutant.file}")
        source = path.read_text(encoding="utf-8")
        edit = mutant.edit(source)
        kind = "named" if isinstance(mutant, Mutant) else "drawn"
        place = (mutant.file, edit.line(source), *edit.diff(source))
        return cls(mutant.name, kind, *place, edit.applied(source), mutant.tests)

    @property
    def where(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line}"


Results = list[tuple[Planned, Outcome]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    options = _options(arguments)
    try:
        planned = _chosen(options)
    except MutantError as error:
        print(error, file=sys.stderr)
        return 2
    if options.list:
        for each in planned:
            print(f"{each.name}  {each.where}\n{_diff(each)}")
        return 0
    with terminable(), tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        try:
            results = _run(planned, Path(folder), options)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
    if results is None:
        return 2
    text, status = summary(results, sampled=options.sample is not None)
    print(text)
    if options.report:
        options.report.write_text(_markdown(results), encoding="utf-8")
    return status


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.mutation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--named", action="store_true", help="the named defects")
    parser.add_argument("--drawn", type=int, metavar="N", help="N drawn defects")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="random seed of the draw")
    parser.add_argument("--sample", type=int, metavar="N", help="N of these, by the seed")
    parser.add_argument("--only", action="append", metavar="NAME", help="only these; * and ? match")
    parser.add_argument("--list", action="store_true", help="show them, and run nothing")
    parser.add_argument("--workers", type=int, default=2, help="how many run at once")
    parser.add_argument("--timeout", type=float, default=180.0, help="seconds for each")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write a Markdown table")
    return parser.parse_args(arguments)


def _chosen(options: argparse.Namespace) -> list[Planned]:
    both = not options.named and options.drawn is None
    chosen: list[Mutant | Drawn] = [*NAMED] if options.named or both else []
    chosen += drawn(ROOT, options.seed, 100 if both else options.drawn or 0)
    if options.only:
        chosen = [m for m in chosen if any(fnmatchcase(m.name, name) for name in options.only)]
        if not chosen:
            raise MutantError(f"no mutant is called {' or '.join(options.only)}: try --list")
    if options.sample is not None and options.sample < len(chosen):
        chosen = random.Random(options.seed).sample(chosen, options.sample)
    planned = [Planned.of(mutant) for mutant in chosen]
    return [each for each in planned if (each.file, each.before, each.after) not in EQUIVALENT]


def _run(planned: list[Planned], folder: Path, options: argparse.Namespace) -> Results | None:
    """The outcome of every mutant; None if a test fails without any mutant."""
    boxes = [Sandbox(ROOT, folder / str(i), options.timeout) for i in range(options.workers)]
    idle: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
    for box in boxes:
        idle.put(box)

    def in_sandbox(run: Callable[..., Outcome], *arguments: object) -> Outcome:
        box = idle.get()
        try:
            return run(box, *arguments)
        finally:
            idle.put(box)

    with ThreadPoolExecutor(options.workers) as pool:
        try:
            tests = _by_file(planned)
            sound = {pool.submit(in_sandbox, Sandbox.run, ids): file for file, ids in tests.items()}
            for future in as_completed(sound):
                if future.result().word != SURVIVED:
                    cause = future.result().by
                    print(f"without any defect {sound[future]} fails: {cause}", file=sys.stderr)
                    return None
            mutated = {
                pool.submit(in_sandbox, Sandbox.run_mutated, m.file, m.content, m.tests): m
                for m in planned
            }
            for future in as_completed(mutated):
                print(_line(mutated[future], future.result()), flush=True)
            return [(mutant, future.result()) for future, mutant in mutated.items()]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for box in boxes:
                box.close()


def _by_file(planned: list[Planned]) -> dict[str, tuple[str, ...]]:
    """The tests to run of each file: the whole file, or ids in it."""
    needed: dict[str, dict[str, None]] = {}
    for test in dict.fromkeys(test for each in planned for test in each.tests):
        needed.setdefault(test.partition("::")[0], {})[test] = None
    return {file: (file,) if file in ids else tuple(ids) for file, ids in needed.items()}


def min_killed(count: int, share: float, sampled: bool) -> int:
    """How many of ``count`` mutants must be killed: ``share`` of them.

    In a sample it is the 1 % quantile of the number killed if ``share`` of all are.
    """
    if sampled and share < 1.0:
        return int(binom.ppf(0.01, count, share))
    return math.ceil(share * count)


def summary(results: Results, sampled: bool = False) -> tuple[str, int]:
    """The final report as text, and the exit status."""
    lines, status = [""], 0
    for kind, share in (("named", 1.0), ("drawn", MIN_SHARE)):
        outcomes = [outcome for each, outcome in results if each.kind == kind]
        if outcomes:
            killed = sum(outcome.word == KILLED for outcome in outcomes)
            lines.append(f"{kind}: {killed}/{len(outcomes)} killed ({killed / len(outcomes):.0%})")
            status = max(status, killed < min_killed(len(outcomes), share, sampled))
    for each, outcome in results:
        if outcome.word != KILLED:
            lines.append(f"{outcome.word} {each.name}  {each.where} {outcome.by}\n{_diff(each)}")
        if outcome.word == UNUSABLE:
            status = 2
    return "\n".join(lines), status


def _line(each: Planned, outcome: Outcome) -> str:
    by = outcome.by.partition("\n")[0]
    return f"{outcome.word:8}  {each.name}  {each.where}  {by}  {outcome.seconds:.1f} s"


def _diff(each: Planned) -> str:
    return f"  - {each.before}\n  + {each.after}"


def _markdown(results: Results) -> str:
    lines = [
        "| mutant | where | change | outcome | by | s |",
        "| --- | --- | --- | --- | --- | ---: |",
    ]
    for each, outcome in results:
        change = f"`{each.before}` → `{each.after}`"
        by = outcome.by.partition("\n")[0]
        cells = (each.name, each.where, change, outcome.word, by, f"{outcome.seconds:.1f}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
