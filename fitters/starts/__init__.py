"""Where restarts begin: one policy a file."""

from fitters.starts.base import Start, StartPolicy, policies, policy

__all__ = ["Start", "StartPolicy", "policies", "policy"]
