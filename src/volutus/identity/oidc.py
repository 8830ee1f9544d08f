"""OpenID Connect as a relying party: what providers publish, tokens they sign, codes they give.

Which providers there are stands in the operator's `oidc.toml` in the state directory, a table for each:

    [corporate]
    issuer = "https://login.example.com"
    client_id = "volutus"
    client_secret = "…"

so that this process only ever calls addresses that the operator wrote, and those that these providers name.
"""

import threading
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import msgspec
from jwt.types import Options

from volutus.errors import Invalid, Unauthenticated, Unavailable

FILE_NAME = "oidc.toml"
# A sign-in waits for the provider, and a connection to the database with it.
TIMEOUT_S = 5.0
# Providers change their keys with a notice of days.
KEPT_FOR = timedelta(minutes=10)
# Clocks of providers may be off by this much.
LEEWAY = timedelta(seconds=60)
DOCUMENT_MAX_BYTES = 1 << 20
# Asymmetric alone: a provider's public key must never pass for a shared secret.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


@dataclass(frozen=True)
class Client:
    """This cloud as one provider knows it. `audiences` besides the client's own id are taken in access
    tokens. `trust_userinfo` takes any access token that the provider answers for, whichever client it was
    made for: only for a provider that is the cloud's alone."""

    issuer: str
    client_id: str
    client_secret: str = ""
    scope: str = "openid email profile"
    audiences: tuple[str, ...] = ()
    trust_userinfo: bool = False


@dataclass
class _Published:
    """What a provider says of itself."""

    read_at: datetime
    document: Mapping[str, Any]
    keys: jwt.PyJWKSet


@dataclass
class Oidc:
    """All providers of one process. The file is read again when it changes."""

    path: Path
    _seen_at_ns: int = -1
    _clients: dict[str, Client] = field(default_factory=dict)
    _published: dict[str, _Published] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, provider_id: str) -> Client:
        """What the operator wrote of a provider. Raises Unauthenticated where there is nothing."""
        try:
            changed_at_ns = self.path.stat().st_mtime_ns
        except FileNotFoundError:
            raise Unauthenticated(f"Nobody can sign in by {provider_id}.", detail=f"no {self.path}") from None
        with self._lock:
            if changed_at_ns != self._seen_at_ns:
                self._clients = read_clients(self.path)
                self._seen_at_ns = changed_at_ns
        if provider_id not in self._clients:
            raise Unauthenticated(
                f"Nobody can sign in by {provider_id}.", detail=f"{self.path} has no table {provider_id}"
            )
        return self._clients[provider_id]

    def claims_of_access_token(self, client: Client, token: str, now: datetime) -> dict[str, Any]:
        """What the provider says of the holder of a token. Raises Unauthenticated."""
        if token.count(".") == 2:
            return self._verified(client, token, now)
        document = self._provider(client, now).document
        if "introspection_endpoint" in document:
            claims = self._call(
                "POST", document["introspection_endpoint"], client=client, form={"token": token}
            )
            if claims.get("active") is not True or not _is_for(client, claims):
                raise Unauthenticated("The provider does not know this token as one for this cloud.")
            return claims | {"iss": client.issuer}
        if client.trust_userinfo and "userinfo_endpoint" in document:
            return self._userinfo(document, token) | {"iss": client.issuer}
        raise Unauthenticated("Tokens of this provider cannot be checked.")

    def authorization_url(self, client: Client, asked: Mapping[str, str], now: datetime) -> str:
        """Where the browser is sent. `asked` has redirect_uri, state, nonce and the code challenge."""
        own = {"response_type": "code", "client_id": client.client_id, "scope": client.scope}
        endpoint = self._provider(client, now).document["authorization_endpoint"]
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode({**own, **asked})}"

    def claims_of_code(self, client: Client, proof: Mapping[str, str], nonce: str, now: datetime) -> Any:
        """Trade a code for what the provider says of its holder. `proof` has code, redirect_uri and
        code_verifier. Raises Unauthenticated."""
        document = self._provider(client, now).document
        form = {"grant_type": "authorization_code", **proof}
        got = self._call("POST", document["token_endpoint"], client=client, form=form)
        claims = self._verified(client, str(got.get("id_token", "")), now)
        if claims.get("nonce") != nonce:
            raise Unauthenticated("The provider's answer belongs to another sign-in.")
        if "userinfo_endpoint" in document and got.get("access_token"):
            more = self._userinfo(document, str(got["access_token"]))
            # OpenID Connect Core 5.3.2: without the same subject it is somebody else's.
            if more.get("sub") == claims.get("sub"):
                claims = more | claims
        return claims

    def _verified(self, client: Client, token: str, now: datetime) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = self._key(client, header.get("kid"), now)
            # Times are held against the cloud's own clock below.
            options: Options = {
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
            }
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=list(ALGORITHMS), issuer=client.issuer, options=options
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated("The provider did not sign this.", detail=str(error)) from error
        at, leeway = now.timestamp(), LEEWAY.total_seconds()
        expires, begins = claims.get("exp"), claims.get("nbf", 0)
        if not isinstance(expires, int | float) or expires + leeway < at:
            raise Unauthenticated("What the provider signed has expired.")
        if not isinstance(begins, int | float) or begins - leeway > at or not _is_for(client, claims):
            raise Unauthenticated("What the provider signed is not for this cloud.")
        return claims

    def _key(self, client: Client, key_id: str | None, now: datetime) -> jwt.PyJWK:
        for again in (False, True):
            published = self._provider(client, now, again=again)
            for key in published.keys.keys:
                if key_id is None or key.key_id == key_id:
                    return key
        raise Unauthenticated("The provider has no such key.")

    def _provider(self, client: Client, now: datetime, *, again: bool = False) -> _Published:
        found = self._published.get(client.issuer)
        # Looked up anew for an unknown key, but not for each of a flood of tokens with made-up ones.
        kept = timedelta(seconds=10) if again else KEPT_FOR
        if found is not None and now - found.read_at < kept:
            return found
        document = self._call("GET", f"{client.issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != client.issuer:
            raise Unavailable("The identity provider is not what it should be.", detail=str(document))
        try:
            keys = jwt.PyJWKSet.from_dict(self._call("GET", document["jwks_uri"]))
        except (jwt.PyJWTError, KeyError) as error:
            raise Unavailable("The identity provider's keys cannot be read.", detail=str(error)) from error
        self._published[client.issuer] = _Published(now, document, keys)
        return self._published[client.issuer]

    def _userinfo(self, document: Mapping[str, Any], token: str) -> dict[str, Any]:
        return self._call("GET", document["userinfo_endpoint"], headers={"Authorization": f"Bearer {token}"})

    def _call(
        self,
        method: str,
        url: str,
        *,
        client: Client | None = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        auth = httpx.BasicAuth(client.client_id, client.client_secret) if client else None
        try:
            with httpx.Client(timeout=TIMEOUT_S, auth=auth, trust_env=False) as http:
                answer = http.request(
                    method, url, data=dict(form) if form else None, headers=dict(headers or {})
                )
        except httpx.HTTPError as error:
            raise Unavailable("The identity provider does not answer.", detail=f"{url}: {error}") from error
        if answer.is_client_error:
            raise Unauthenticated("The identity provider refused.", detail=f"{url}: {answer.text[:500]}")
        if not answer.is_success or len(answer.content) > DOCUMENT_MAX_BYTES:
            raise Unavailable("The identity provider failed.", detail=f"{url}: {answer.text[:500]}")
        try:
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise Unavailable("The identity provider's answer cannot be read.", detail=url) from error


def read_clients(path: Path) -> dict[str, Client]:
    """The operator's file. Raises Invalid naming the provider."""
    try:
        tables = tomllib.loads(path.read_text())
        return {name: msgspec.convert(table, type=Client) for name, table in tables.items()}
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(f"{path}: {error}", field=FILE_NAME) from error


def _is_for(client: Client, claims: Mapping[str, Any]) -> bool:
    """Whether the token was made for this cloud."""
    audience = claims.get("aud", [])
    said = {audience} if isinstance(audience, str) else set(audience)
    wanted = {client.client_id, *client.audiences}
    return bool(said & wanted) or claims.get("azp") in wanted or claims.get("client_id") in wanted
