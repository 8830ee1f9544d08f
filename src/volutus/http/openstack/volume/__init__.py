"""Cinder's API, version 3 with microversions, over `volutus.volume`.

Paths may carry the project (`/volume/v3/PROJECT/volumes`) or not (`/volume/v3/volumes`). Version discovery
is a dialect of its own, since it needs neither a token nor a microversion.
"""

from volutus.http.kernel import Dialect, FaultTable, MicroversionRange
from volutus.http.openstack.volume.faults import STATUSES, envelope
from volutus.http.openstack.volume.routes import DISCOVERY, ROUTES
from volutus.http.openstack.volume.versions import HIGHEST, LOWEST

__all__ = ["dialects"]


def dialects() -> list[Dialect]:
    """The API itself, and discovery."""
    table = FaultTable(envelope, STATUSES)
    spoken = MicroversionRange("volume", LOWEST, HIGHEST)
    return [
        Dialect(
            "volume",
            ("/volume/v3", "/volume/v3/{project_id}"),
            ROUTES,
            table,
            spoken,
            service_types=("block-storage", "volumev3"),
        ),
        Dialect("volume-versions", ("/volume",), DISCOVERY, table),
    ]
