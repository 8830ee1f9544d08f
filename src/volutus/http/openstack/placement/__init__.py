"""Placement's API over `volutus.placement`: what hosts have and who claimed it.

It is read only. Claims are made by the domains in the transactions that need them, so there is nothing for a
client to write; a host is its own resource provider, and providers do not nest.
"""

from volutus.http.kernel import Dialect, FaultTable, MicroversionRange
from volutus.http.openstack.placement.faults import envelope
from volutus.http.openstack.placement.routes import ROUTES
from volutus.http.openstack.placement.versions import HIGHEST, LOWEST

__all__ = ["dialect"]


def dialect() -> Dialect:
    """The API."""
    spoken = MicroversionRange("placement", LOWEST, HIGHEST)
    return Dialect("placement", ("/placement",), ROUTES, FaultTable(envelope), spoken)
