"""Signing in by an identity provider over HTTP: with its access token, or by sending the browser to it.

The browser's way: `websso` sends it to the provider with a sealed `state`; the provider sends it back to
`callback` with a code; that is traded for claims, the claims for a token, and a page posts the token to the
`origin` asked for, which must be a dashboard that the operator trusts. A cookie ties the way back to the
browser that began, so that nobody is signed in as somebody else by a link.
"""

import base64
import hashlib
import hmac
import html
import secrets
from datetime import timedelta

import msgspec
from starlette.responses import Response

from volutus.errors import Invalid, Unauthenticated
from volutus.http.kernel import Request
from volutus.http.openstack.identity.auth import answer
from volutus.http.openstack.identity.bodies import identity_of
from volutus.identity import federated
from volutus.identity.tokens import Token

# Time to type a password at the provider.
STATE_LIFETIME = timedelta(minutes=10)
COOKIE = "volutus_sso"
CALLBACK = "/v3/auth/OS-FEDERATION/callback"
_PAGE = """<!DOCTYPE html>
<html><head><title>Signing in</title></head>
<body><form id="sso" method="post" action="{origin}">
<input type="hidden" name="token" value="{token}">
<noscript><button type="submit">Continue</button></noscript>
</form><script nonce="{nonce}">document.getElementById("sso").submit();</script></body></html>
"""


class State(msgspec.Struct, array_like=True):
    """What a browser carries to the provider and back, sealed."""

    idp_id: str
    protocol_id: str
    origin: str
    nonce: str
    verifier: str
    began_s: int


def sign_in(request: Request) -> Response:
    """A token without scope for the provider's access token in `Authorization`."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The header Authorization with a token of the provider is required.")
    identity, idp_id = identity_of(request), request.params["idp_id"]
    identity.throttles.admit("", request.client_address, request.tx.now)
    client = identity.oidc.client(idp_id)
    claims = identity.oidc.claims_of_access_token(client, token, request.tx.now)
    return answer(request, _token(request, idp_id, request.params["protocol_id"], claims), 201)


def websso(request: Request) -> Response:
    """Send the browser to the provider."""
    origin = request.query.get("origin")
    if not origin:
        raise Invalid("The parameter origin is required.", field="origin")
    if origin not in request.plane.settings.dashboards:
        raise Unauthenticated(f"{origin} is not a trusted dashboard.")
    identity, now = identity_of(request), request.tx.now
    protocol_id = request.params["protocol_id"]
    idp_id = request.params.get("idp_id") or federated.single_provider(request.tx, protocol_id)
    nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    state = State(idp_id, protocol_id, origin, nonce, verifier, int(now.timestamp()))
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    asked = {
        "redirect_uri": _callback_url(request),
        "state": identity.vault.seal(msgspec.json.encode(state), state.began_s),
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    url = identity.oidc.authorization_url(identity.oidc.client(idp_id), asked, now)
    response = Response(b"", 302, {"Location": url, "Cache-Control": "no-store"})
    secure = "; Secure" if request.origin.startswith("https:") else ""
    age = int(STATE_LIFETIME.total_seconds())
    response.headers["Set-Cookie"] = (
        f"{COOKIE}={_digest(nonce)}; Path=/identity; Max-Age={age}; HttpOnly; SameSite=Lax{secure}"
    )
    return response


def callback(request: Request) -> Response:
    """The browser is back from the provider."""
    identity, now, query = identity_of(request), request.tx.now, request.query
    state = _opened(request)
    if "code" not in query:
        raise Unauthenticated(f"The provider refused: {query.get('error', 'no code')[:200]}")
    client = identity.oidc.client(state.idp_id)
    proof = {
        "code": query["code"],
        "redirect_uri": _callback_url(request),
        "code_verifier": state.verifier,
    }
    claims = identity.oidc.claims_of_code(client, proof, state.nonce, now)
    token = _token(request, state.idp_id, state.protocol_id, claims)
    nonce = secrets.token_urlsafe(16)
    body = _PAGE.format(origin=html.escape(state.origin), token=html.escape(token.text), nonce=nonce)
    headers = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": f"default-src 'none'; script-src 'nonce-{nonce}'",
        "Set-Cookie": f"{COOKIE}=; Path=/identity; Max-Age=0; HttpOnly; SameSite=Lax",
    }
    return Response(body, 200, headers, media_type="text/html")


def _token(request: Request, idp_id: str, protocol_id: str, claims: dict[str, object]) -> Token:
    """In a transaction of its own: the provider has been asked with none open."""
    with request.plane.database.begin(request.request_id) as tx:
        return federated.sign_in(tx, identity_of(request), idp_id, protocol_id, claims)


def _opened(request: Request) -> State:
    """The state, if it is ours, of this browser and of late."""
    sealed = identity_of(request).vault.open(request.query.get("state", ""))
    try:
        state = msgspec.json.decode(sealed or b"", type=State)
    except (msgspec.DecodeError, msgspec.ValidationError):
        raise Unauthenticated("This sign-in did not begin here.") from None
    late = request.tx.now.timestamp() - state.began_s > STATE_LIFETIME.total_seconds()
    pairs = (part.strip().partition("=") for part in request.headers.get("cookie", "").split(";"))
    cookie = next((value for name, _, value in pairs if name == COOKIE), "")
    if late or not hmac.compare_digest(cookie.encode(), _digest(state.nonce).encode()):
        raise Unauthenticated("This sign-in began elsewhere or too long ago. Begin again.")
    return state


def _callback_url(request: Request) -> str:
    return f"{request.service_url}{CALLBACK}"


def _digest(nonce: str) -> str:
    return hashlib.sha256(nonce.encode()).hexdigest()
