"""Keystone's API v3.14 under `/identity`."""

from volutus.http.kernel import Dialect
from volutus.http.openstack.identity.faults import FAULTS
from volutus.http.openstack.identity.routes import ROUTES


def dialect() -> Dialect:
    """The identity service on the wire."""
    return Dialect("identity", ("/identity",), ROUTES, FAULTS)
