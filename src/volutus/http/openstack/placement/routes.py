"""Every path of the dialect, its handler and its permission."""

from volutus.http.kernel import Route
from volutus.http.openstack.placement import classes, consumers, providers, versions

_SEE = "placement:see"
_PROVIDER = "/resource_providers/{provider_id}"
ROUTES = (
    Route("GET", "", versions.root, open=True),
    Route("GET", "/resource_providers", providers.list_, _SEE),
    Route("GET", _PROVIDER, providers.show, _SEE),
    Route("GET", f"{_PROVIDER}/inventories", providers.inventories, _SEE),
    Route("GET", f"{_PROVIDER}/inventories/{{resource_class}}", providers.inventory, _SEE),
    Route("GET", f"{_PROVIDER}/usages", providers.usages, _SEE),
    Route("GET", f"{_PROVIDER}/aggregates", providers.aggregates, _SEE),
    Route("GET", f"{_PROVIDER}/traits", providers.traits, _SEE),
    Route("GET", f"{_PROVIDER}/allocations", providers.allocations, _SEE),
    Route("GET", "/allocations/{consumer_id}", consumers.allocations, _SEE),
    Route("GET", "/allocation_candidates", consumers.candidates, _SEE),
    Route("GET", "/usages", consumers.usages, _SEE),
    Route("GET", "/resource_classes", classes.list_, _SEE),
    Route("GET", "/resource_classes/{name}", classes.show, _SEE),
    Route("GET", "/traits", classes.list_traits, _SEE),
    Route("GET", "/traits/{name}", classes.show_trait, _SEE),
)
