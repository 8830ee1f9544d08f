"""Our own service `billing`: prices, orders, the ledger and what goes with them, in the style of
OpenStack."""

from volutus.http.kernel import Dialect
from volutus.http.openstack.billing.faults import FAULTS
from volutus.http.openstack.billing.routes import ROUTES


def dialect() -> Dialect:
    """The billing service on the wire."""
    return Dialect("billing", ("/billing",), ROUTES, FAULTS)
