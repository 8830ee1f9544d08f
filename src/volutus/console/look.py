"""How pages look: language and theme, kept in the browser beyond the session."""

from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Scope

from volutus.console import language

COOKIE = "volutus_look"
THEMES = ("auto", "light", "dark")
_LIFETIME_S = 400 * 24 * 3600


@dataclass(frozen=True)
class Look:
    """`theme` auto is the system's."""

    language: str
    theme: str = "auto"


def look_of(scope: Scope) -> Look:
    """As chosen; before that, the browser's language and the system's theme."""
    chosen, _, theme = HTTPConnection(scope).cookies.get(COOKIE, "").partition(".")
    accepted = Headers(scope=scope).get("accept-language", "")
    known = chosen in language.LANGUAGES or chosen == language.PSEUDO
    spoken = chosen if known else language.preferred(accepted)
    return Look(spoken, theme if theme in THEMES else "auto")


def known(spoken: str, theme: str) -> Look | None:
    """A look of names that somebody sent; None of others."""
    return Look(spoken, theme) if spoken in language.LANGUAGES and theme in THEMES else None


def keep(request: Request, response: Response, look: Look) -> None:
    """Have the browser remember."""
    secure = request.url.scheme == "https"
    value = f"{look.language}.{look.theme}"
    response.set_cookie(COOKIE, value, _LIFETIME_S, path="/", secure=secure, httponly=True, samesite="lax")
