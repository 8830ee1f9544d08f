"""A small HTTP client for API tests, in process, over the real kernel."""

import contextlib
import secrets
from collections.abc import Iterator
from typing import Any

from httpx import Response
from starlette.testclient import TestClient

from volutus.db import Tx
from volutus.errors import Unauthenticated
from volutus.http.kernel import Kernel
from volutus.identity import Caller


class TableAuthenticator:
    """Tokens that the test handed out; the identity service's own tests use the real ones."""

    def __init__(self) -> None:
        self._callers: dict[str, Caller] = {}

    def issue(self, caller: Caller) -> str:
        token = secrets.token_hex(8)
        self._callers[token] = caller
        return token

    def authenticate(self, tx: Tx, token: str) -> Caller:
        try:
            return self._callers[token]
        except KeyError:
            raise Unauthenticated("The request you have made requires authentication.") from None


class ApiClient:
    """Requests as one caller. `get("/compute/v2.1/servers")` answers httpx's Response."""

    def __init__(self, http: TestClient, authenticator: TableAuthenticator, caller: Caller) -> None:
        self._http = http
        self._authenticator = authenticator
        self.caller = caller
        self.token = authenticator.issue(caller)
        self.headers: dict[str, str] = {}

    @classmethod
    @contextlib.contextmanager
    def over(cls, kernel: Kernel, authenticator: TableAuthenticator, caller: Caller) -> Iterator["ApiClient"]:
        with TestClient(kernel, raise_server_exceptions=False) as http:
            yield cls(http, authenticator, caller)

    def as_(self, caller: Caller, **headers: str) -> "ApiClient":
        """The same cloud seen by somebody else, with further headers."""
        other = ApiClient(self._http, self._authenticator, caller)
        other.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        return other

    def request(self, method: str, path: str, **kw: Any) -> Response:
        headers = {"X-Auth-Token": self.token, **self.headers, **kw.pop("headers", {})}
        return self._http.request(method, path, headers=headers, **kw)

    def get(self, path: str, **kw: Any) -> Response:
        return self.request("GET", path, **kw)

    def post(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("POST", path, json=json, **kw)

    def put(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("PUT", path, json=json, **kw)

    def patch(self, path: str, json: Any = None, **kw: Any) -> Response:
        return self.request("PATCH", path, json=json, **kw)

    def delete(self, path: str, **kw: Any) -> Response:
        return self.request("DELETE", path, **kw)
