"""Our own service `operations`, for those who run the cloud: work that does not get on, and who changed what.
It is read only."""

from volutus.http.kernel import Dialect, FaultTable, openstack_fault
from volutus.http.openstack.operations.routes import ROUTES


def dialect() -> Dialect:
    """The operations service on the wire."""
    return Dialect("operations", ("/operations",), ROUTES, FaultTable(openstack_fault))
