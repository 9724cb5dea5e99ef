"""A mutant: one change of one source file, and the tests of which one must fail."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache

NAMED = "tests/mutation/named.py"


class MutantError(Exception):
    """A mutant doesn't apply to the current source."""


@dataclass(frozen=True)
class Edit:
    """The characters ``start`` to ``end`` of a source, and the text that replaces them."""

    start: int
    end: int
    text: str

    def applied(self, source: str) -> str:
        """The changed source."""
        return source[: self.start] + self.text + source[self.end :]

    def line(self, source: str) -> int:
        """The number of the first line that changes, from 1."""
        return source.count("\n", 0, self.start) + 1

    def diff(self, source: str) -> tuple[str, str]:
        """The lines that change, before and after, each as one line of text."""
        low = source.rfind("\n", 0, self.start) + 1
        high = source.find("\n", self.end)
        high = len(source) if high < 0 else high
        after = source[low : self.start] + self.text + source[self.end : high]
        return _one_line(source[low:high]), _one_line(after)

    def check(self, source: str, who: str) -> None:
        """Raise ``MutantError`` unless the changed source compiles to another program."""
        try:
            after = ast.dump(ast.parse(self.applied(source)))
        except SyntaxError as error:
            raise MutantError(f"{who}: the changed source doesn't compile ({error})") from error
        if after == _dumped(source):
            raise MutantError(f"{who}: the change has no effect on the program")


@dataclass(frozen=True)
class Mutant:
    """A named defect: in ``function`` of ``file``, ``replacement`` in place of ``pattern``.

    ``function`` is a qualified name such as ``Journal.append``, or empty for the whole module.
    ``pattern`` is literal source text that occurs there exactly once. ``tests`` are paths of
    test files, or ids such as ``tests/test_x.py::test_y``; one of them must fail.
    """

    name: str
    file: str
    function: str
    pattern: str
    replacement: str
    tests: tuple[str, ...]

    def edit(self, source: str) -> Edit:
        """The change of ``source``; ``MutantError`` if it doesn't apply."""
        who = f"mutant {self.name!r}: {self.function or 'the module'} in {self.file}"
        low, high = self._span(source)
        found = source.count(self.pattern, low, high)
        if found != 1:
            raise MutantError(
                f"{who} holds {self.pattern!r} {found} times instead of once: re-point `pattern` "
                f"in {NAMED}"
            )
        start = source.index(self.pattern, low, high)
        edit = Edit(start, start + len(self.pattern), self.replacement)
        edit.check(source, f"{who}, `replacement` in {NAMED}")
        return edit

    def _span(self, source: str) -> tuple[int, int]:
        """Where the function's source begins and ends."""
        if not self.function:
            return 0, len(source)
        node: ast.AST | None = _parsed(source)
        for name in self.function.split("."):
            node = _named(node, name)
        if node is None:
            raise MutantError(
                f"mutant {self.name!r}: {self.file} has no function {self.function!r}: re-point "
                f"`file` and `function` in {NAMED}"
            )
        assert isinstance(node, KINDS)
        lines = source.split("\n")
        low, high = (len("\n".join([*lines[:n], ""])) for n in (node.lineno - 1, node.end_lineno))
        return low, high


@dataclass(frozen=True)
class Drawn:
    """A mutant drawn from the places of the current source: the change and its place."""

    name: str
    file: str
    place: Edit
    tests: tuple[str, ...]

    def edit(self, source: str) -> Edit:
        """The change of ``source``; ``MutantError`` if it doesn't apply."""
        self.place.check(source, f"mutant {self.name!r} in {self.file}")
        return self.place


KINDS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@cache
def _parsed(source: str) -> ast.Module:
    return ast.parse(source)


@cache
def _dumped(source: str) -> str:
    return ast.dump(_parsed(source))


def _named(parent: ast.AST | None, name: str) -> ast.AST | None:
    inside = (node for node in getattr(parent, "body", []) if isinstance(node, KINDS))
    return next((node for node in inside if node.name == name), None)


def _one_line(text: str) -> str:
    return " ".join(line.strip() for line in text.split("\n"))
