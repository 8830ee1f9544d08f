"""All pages of the console, in one table. A path with a name in it comes after those without."""

from volutus.console import (
    floating_ips,
    images,
    key_pairs,
    networks,
    overview,
    routers,
    security_groups,
    server,
    server_create,
    servers,
    sign_in,
    snapshots,
    volumes,
)

PAGES = (
    overview.PAGE,
    sign_in.PROJECTS,
    servers.PAGE,
    *server_create.PAGES,
    *server.PAGES,
    volumes.PAGE,
    snapshots.PAGE,
    images.PAGE,
    networks.PAGE,
    routers.PAGE,
    floating_ips.PAGE,
    *security_groups.PAGES,
    key_pairs.PAGE,
)
