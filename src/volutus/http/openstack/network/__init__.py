"""Neutron's API v2.0 under `/network`."""

from volutus.http.kernel import Dialect
from volutus.http.openstack.network.faults import FAULTS
from volutus.http.openstack.network.routes import ROUTES


def dialect() -> Dialect:
    """The network service on the wire."""
    return Dialect("network", ("/network",), ROUTES, FAULTS)
