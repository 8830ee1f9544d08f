"""A server's screen and its serial console in the browser. The pages need no session: whoever has the address
has its token, which the socket looks at and which lives shortly."""

import secrets

from starlette.responses import Response

from volutus.console.rendering import Page, Renderer
from volutus.console.visits import Visit

# The terminal styles itself by style elements: those alone that carry the page's nonce are taken.
_SERIAL_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


async def show_vnc(renderer: Renderer, visit: Visit) -> Response:
    """The screen, by noVNC."""
    return renderer.page("vnc.html", visit, token=visit.asked("token"))


async def show_serial(renderer: Renderer, visit: Visit) -> Response:
    """The serial console, by xterm.js."""
    nonce = secrets.token_urlsafe(16)
    response = renderer.page("serial.html", visit, token=visit.asked("token"), nonce=nonce)
    response.headers["Content-Security-Policy"] = _SERIAL_POLICY.format(nonce=nonce)
    return response


PAGES = (
    Page("/console/vnc", show_vnc, open=True),
    Page("/console/serial", show_serial, open=True),
)
