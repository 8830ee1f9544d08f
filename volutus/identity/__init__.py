"""Who is asking, and what they may do."""

from volutus.identity.caller import Caller
from volutus.identity.policy import Policy

__all__ = ["Caller", "Policy"]
