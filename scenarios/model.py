"""A mixture model: a family and a number of components."""

from __future__ import annotations

from dataclasses import dataclass

from scenarios.families import ExponentialFamily, Family


@dataclass(frozen=True)
class Model:
    """A mixture model: K = ``components`` of ``family``.

    Fitters and start policies take a model as argument, so that later fields, which will have
    defaults, leave their signatures as they are.
    """

    family: Family
    components: int

    @property
    def dimension(self) -> int:
        """The number of free parameters, p = K - 1 + K d."""
        return self.components * (1 + len(self.family.parameters)) - 1

    @property
    def exponential(self) -> bool:
        """Whether the family is exponential: sufficient statistics and an M-step."""
        return isinstance(self.family, ExponentialFamily)
