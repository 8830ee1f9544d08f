"""Requests signed with shared secrets: OAuth 1.0a (RFC 5849), and the AWS forms that EC2 and S3 clients use.

Nothing here knows users; whoever calls looks the secret up by the key that the request names.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlsplit

from volutus.errors import Unauthenticated

REFUSED = "The request you have made requires authentication."
# Clocks of clients may be off by this much; an older request is somebody's recording.
SKEW = timedelta(minutes=15)
_UNRESERVED = "-._~"


@dataclass(frozen=True)
class Signed:
    """A request as its sender signed it. `url` is without query; `oauth` are the parameters of the header
    Authorization, decoded; `query` those of the URL."""

    method: str
    url: str
    oauth: Mapping[str, str]
    query: Sequence[tuple[str, str]] = ()

    def parameter(self, name: str) -> str:
        """A parameter of the header. Raises Unauthenticated without it."""
        if not self.oauth.get(name):
            raise Unauthenticated(f"The header Authorization has no {name}.")
        return self.oauth[name]

    def require(self, now: datetime, secret: str, token_secret: str = "") -> None:
        """Raise Unauthenticated unless it was signed with these, and lately."""
        stamp = self.parameter("oauth_timestamp")
        at = datetime.fromtimestamp(int(stamp), UTC) if stamp.isdigit() and len(stamp) < 12 else None
        if at is None or abs(now - at) > SKEW or self.parameter("oauth_signature_method") != "HMAC-SHA1":
            raise Unauthenticated(REFUSED)
        key = f"{_quoted(secret)}&{_quoted(token_secret)}".encode()
        # HMAC does not rest on SHA-1's resistance to collisions, which is what was broken.
        made = hmac.new(key, self._base().encode(), hashlib.sha1).digest()
        if not _same(base64.b64encode(made).decode(), self.parameter("oauth_signature")):
            raise Unauthenticated(REFUSED)

    def _base(self) -> str:
        pairs = [(k, v) for k, v in self.oauth.items() if k not in ("oauth_signature", "realm")]
        encoded = sorted((_quoted(k), _quoted(v)) for k, v in (*pairs, *self.query))
        parameters = "&".join(f"{k}={v}" for k, v in encoded)
        parts = urlsplit(self.url)
        address = f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"
        return f"{self.method.upper()}&{_quoted(address)}&{_quoted(parameters)}"


@dataclass(frozen=True)
class AwsRequest:
    """What an EC2 or S3 front passes on of a request. `body_hash` is of the body of the request that was
    signed, not of ours."""

    access: str
    signature: str
    host: str = ""
    verb: str = ""
    path: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body_hash: str = ""
    token: str = ""


def fits_aws(request: AwsRequest, secret: str, now: datetime) -> bool:
    """Whether the request was signed with the secret: by AWS's signature of version 4, 2 or, where the front
    has made the text to sign (S3), by either."""
    if request.token:
        return _fits_s3(request, secret, now)
    version = request.params.get("SignatureVersion", "")
    authorization = _lower(request.headers).get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256") or "X-Amz-Algorithm" in request.params:
        return _fits_v4(request, secret, now)
    if version == "2":
        return _fits_v2(request, secret, now)
    return False


def _fits_s3(request: AwsRequest, secret: str, now: datetime) -> bool:
    """`token` is the text that was signed, in base64."""
    try:
        said = base64.urlsafe_b64decode(request.token + "=" * (-len(request.token) % 4))
    except ValueError:
        return False
    lines = said.decode(errors="replace").split("\n")
    if lines[0] == "AWS4-HMAC-SHA256" and len(lines) >= 4:
        scope = lines[2].split("/")
        if not _is_lately(lines[1], now) or len(scope) != 4:
            return False
        made = hmac.new(_v4_key(secret, scope), said, hashlib.sha256).hexdigest()
        return _same(made, request.signature)
    made_v1 = base64.b64encode(hmac.new(secret.encode(), said, hashlib.sha1).digest()).decode()
    return _same(made_v1, request.signature)


def _fits_v2(request: AwsRequest, secret: str, now: datetime) -> bool:
    stamp = request.params.get("Timestamp", "").replace("-", "").replace(":", "").split(".")[0].rstrip("Z")
    if not _is_lately(f"{stamp}Z", now):
        return False
    digest = {"HmacSHA256": hashlib.sha256, "HmacSHA1": hashlib.sha1}.get(
        request.params.get("SignatureMethod", "HmacSHA1")
    )
    if digest is None:
        return False
    query = _query(request.params, without=("Signature",))
    text = f"{request.verb}\n{request.host.lower()}\n{request.path}\n{query}"
    made = base64.b64encode(hmac.new(secret.encode(), text.encode(), digest).digest()).decode()
    return _same(made, request.signature)


def _fits_v4(request: AwsRequest, secret: str, now: datetime) -> bool:
    headers = _lower(request.headers)
    said = _v4_parts(headers.get("authorization", "")) or {
        "Credential": request.params.get("X-Amz-Credential", ""),
        "SignedHeaders": request.params.get("X-Amz-SignedHeaders", ""),
    }
    stamp = request.params.get("X-Amz-Date") or headers.get("x-amz-date", "")
    scope = said.get("Credential", "").split("/")[1:]
    if len(scope) != 4 or not _is_lately(stamp, now) or not stamp.startswith(scope[0]):
        return False
    names = [name for name in said.get("SignedHeaders", "").split(";") if name]
    signed = "".join(
        f"{name}:{request.host if name == 'host' else headers.get(name, '')}\n" for name in names
    )
    query = _query(request.params, without=("X-Amz-Signature",))
    canonical = "\n".join((request.verb, request.path, query, signed, ";".join(names), request.body_hash))
    hashed = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{'/'.join(scope)}\n{hashed}"
    made = hmac.new(_v4_key(secret, scope), text.encode(), hashlib.sha256).hexdigest()
    return _same(made, request.signature)


def _v4_key(secret: str, scope: Sequence[str]) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def _v4_parts(authorization: str) -> dict[str, str]:
    _, _, rest = authorization.partition(" ")
    pairs = (part.strip().partition("=") for part in rest.split(","))
    return {name: value for name, found, value in pairs if found}


def _query(params: Mapping[str, str], without: Sequence[str]) -> str:
    pairs = sorted((_quoted(k), _quoted(v)) for k, v in params.items() if k not in without)
    return "&".join(f"{k}={v}" for k, v in pairs)


def _is_lately(stamp: str, now: datetime) -> bool:
    """`20261121T120000Z`."""
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - at) <= SKEW


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers.items()}


def _quoted(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _same(made: str, given: str) -> bool:
    return hmac.compare_digest(made.encode(), given.encode())
