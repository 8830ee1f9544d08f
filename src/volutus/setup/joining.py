"""Join tokens: by one of them a machine becomes a host. This machine's own agent uses one like any other."""

from volutus import placement
from volutus.clock import SystemClock
from volutus.db import Database
from volutus.ids import Ids
from volutus.settings import Settings


def new_token(settings: Settings) -> str:
    """A token for one enrolment, good for an hour."""
    database = Database(settings.database, SystemClock(settings.clock_ahead_s), Ids(), pool_size=1)
    try:
        with database.begin() as tx:
            return placement.new_join_token(tx)
    finally:
        database.close()
