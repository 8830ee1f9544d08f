"""Who is signed in: everything about it is in one sealed cookie, so that any process can read it and none
stores it.

The cookie is encrypted with keys derived from those of the tokens, so it is rotated with them. A token that
was revoked, or whose user was disabled, is refused by the API at the next click.
"""

import base64
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from starlette.requests import Request
from starlette.responses import Response

from volutus.errors import Unavailable

COOKIE = "volutus_session"
# As long as a token lives by default; the token's own end comes first where it is shorter.
LIFETIME_S = 24 * 3600
_PURPOSE = b"volutus console session"


@dataclass(frozen=True)
class Session:
    """`csrf` is in every form that this session was given. `project` is empty until one is chosen. `began`
    and `ends` are of its first token, `record` names it where the user can end it. `region` is empty for this
    cloud's own, else the one looked at."""

    token: str
    user: str
    csrf: str
    project: str = ""
    project_id: str = ""
    admin: bool = False
    user_id: str = ""
    roles: tuple[str, ...] = ()
    began: str = ""
    ends: str = ""
    record: str = ""
    region: str = ""

    @classmethod
    def nobody(cls) -> "Session":
        """Whoever looks at a public page without signing in."""
        return cls("", "", "")

    @classmethod
    def begin(cls, token: str, known: Mapping[str, Any]) -> "Session":
        """A new session of a token and what the API knows of it, with a secret of its own: nothing of an
        earlier one is kept."""
        user, csrf = known["user"], secrets.token_urlsafe(24)
        began, ends = str(known["issued_at"]), str(known["expires_at"])
        return cls(token, user["name"], csrf, user_id=user["id"], began=began, ends=ends)

    def recorded(self, record: str) -> "Session":
        """The same session, which can be ended by that record."""
        return replace(self, record=record)

    def within(self, token: str, project: str, project_id: str, roles: tuple[str, ...]) -> "Session":
        """The same user in a project."""
        admin = "admin" in roles
        return replace(self, token=token, project=project, project_id=project_id, admin=admin, roles=roles)

    def looking_at(self, region: str) -> "Session":
        """The same session in a region; empty for this cloud's own."""
        return replace(self, region=region)

    def sent(self, csrf: str) -> bool:
        """Whether a form came from a page that we gave to this session."""
        return bool(csrf) and hmac.compare_digest(self.csrf.encode(), csrf.encode())


class Sealer:
    """Seals sessions. The keys are read at each use: they are few and small, and another process rotates
    them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, request: Request) -> Session | None:
        """The session that a request came with, if it is good."""
        text = request.cookies.get(COOKIE)
        if not text:
            return None
        try:
            return Session(**json.loads(self._keys().decrypt(text.encode(), ttl=LIFETIME_S)))
        except (InvalidToken, ValueError, TypeError):
            return None

    def write(self, request: Request, response: Response, session: Session) -> None:
        """Give the session to the browser; it shows it to nobody but us."""
        sealed = self._keys().encrypt(json.dumps(asdict(session)).encode()).decode()
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, sealed, LIFETIME_S, path="/", secure=secure, httponly=True, samesite="strict"
        )

    def clear(self, response: Response) -> None:
        """Forget the session."""
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")

    def _keys(self) -> MultiFernet:
        paths = [path for path in self._directory.glob("*") if path.name.isdigit()]
        if not paths:
            raise Unavailable("The cloud has no keys yet.", detail=f"no key in {self._directory}")
        newest_first = sorted(paths, key=lambda path: int(path.name), reverse=True)
        return MultiFernet([_derived(path.read_bytes()) for path in newest_first])


def _derived(key: bytes) -> Fernet:
    derived = HKDF(SHA256(), 32, salt=None, info=_PURPOSE).derive(key.strip())
    return Fernet(base64.urlsafe_b64encode(derived))
