"""All pages of the console, in one table."""

from volutus.console import (
    floating_ips,
    images,
    key_pairs,
    networks,
    overview,
    routers,
    security_groups,
    server_create,
    servers,
    sign_in,
    volumes,
)

PAGES = (
    overview.PAGE,
    sign_in.PROJECTS,
    server_create.PAGE,
    *servers.PAGES,
    volumes.PAGE,
    images.PAGE,
    networks.PAGE,
    routers.PAGE,
    floating_ips.PAGE,
    *security_groups.PAGES,
    key_pairs.PAGE,
)
