"""All pages of the console, in one table."""

from volutus.console import overview, server_create, servers, sign_in

PAGES = (
    overview.PAGE,
    sign_in.PROJECTS,
    server_create.PAGE,
    *servers.PAGES,
)
