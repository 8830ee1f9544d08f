"""Octavia's API v2 under `/load-balancer`, as far as OVN can carry it out."""

from volutus.http.kernel import Dialect
from volutus.http.openstack.loadbalancer.faults import FAULTS
from volutus.http.openstack.loadbalancer.routes import ROUTES


def dialect() -> Dialect:
    """The load-balancer service on the wire."""
    return Dialect("loadbalancer", ("/load-balancer",), ROUTES, FAULTS, service_types=("load-balancer",))
