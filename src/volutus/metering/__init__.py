"""Usage: half-open ranges of time in which a project had an amount of something.

A range opens and closes in the transaction that observed the change, so usage and state never disagree.
Prices and charges are billing's; nothing here knows money.
"""

from volutus.metering.counts import Counter, count_usage, counted
from volutus.metering.ranges import (
    Usage,
    change_usage,
    close_usage,
    correct_usage,
    end_usage,
    have_one,
    in_use,
    open_usage,
)

__all__ = [
    "Counter",
    "Usage",
    "change_usage",
    "close_usage",
    "correct_usage",
    "count_usage",
    "counted",
    "end_usage",
    "have_one",
    "in_use",
    "open_usage",
]
