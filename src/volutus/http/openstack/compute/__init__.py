"""Nova's compute API v2.1 with its microversions."""

from volutus.http.kernel import Dialect
from volutus.http.openstack.compute import faults, queries, routes, versions

# Clients that ask for the root get the list of versions; everything else is below the version.
ROOT = "/compute"
PREFIX = "/compute/v2.1"
LEGACY_PREFIX = "/compute/v2"


def dialect() -> Dialect:
    """The API at its prefix, and the documents by which clients find it."""
    below = [
        *routes.SERVERS,
        *routes.PRESETS,
        *routes.PROJECTS,
        *routes.PASSED_ON,
        *routes.OPERATORS,
    ]
    return Dialect(
        "compute",
        (PREFIX, LEGACY_PREFIX),
        tuple(queries.checked(route) for route in below),
        faults.TABLE,
        versions.MICROVERSIONS,
        slash_is_empty_name=True,
    )


def discovery() -> Dialect:
    """The documents by which clients find the API: open, and the same in every version."""
    return Dialect("compute-versions", (ROOT,), routes.VERSIONS, faults.TABLE)
