"""The queue of long work, without a broker: one row per object that may need looking at.

A verb *wakes* an object in its own transaction. A worker *takes* the row under a lease, lets the object's
reconciler do one step, and *finishes* the row. A wake only makes the look sooner: the periodic scan is the
guarantee. Reconcilers get keys, read everything afresh and never ask why they were woken.
"""

from volutus.reconcile.queue import Again, Done, Item, Outcome, finish, renew, stuck, take, wake, wake_many
from volutus.reconcile.worker import Reconciler, Worker, each_alone

__all__ = [
    "Again",
    "Done",
    "Item",
    "Outcome",
    "Reconciler",
    "Worker",
    "each_alone",
    "finish",
    "renew",
    "stuck",
    "take",
    "wake",
    "wake_many",
]
