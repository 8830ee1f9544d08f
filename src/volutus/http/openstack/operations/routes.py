"""The paths of the operations service."""

from volutus.http.kernel import Route
from volutus.http.openstack.operations import audit, work

_SEE = "operations:see"

ROUTES: tuple[Route, ...] = (
    Route("GET", "/v1/work", work.index, _SEE),
    Route("GET", "/v1/audit", audit.index, _SEE),
)
