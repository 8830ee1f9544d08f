"""Certificates of hosts: our own small authority, and who a connection's certificate says it is."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sqlalchemy import text
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from volutus.clock import Clock
from volutus.db import Tx
from volutus.errors import Invalid, Unauthenticated
from volutus.identity import Caller

# Renewed by enrolling again; long, because a host that cannot connect cannot be told to renew.
CERTIFICATE_LIFETIME = datetime.timedelta(days=3650)
# Where the connection's verified common name is kept in the ASGI scope.
SCOPE_KEY = "volutus.host"
_CONNECTION_KEY = "volutus.connection"
HOST_HEADER = b"x-volutus-host"

_KNOWN = text("SELECT 1 FROM hosts WHERE id = :id")


class CertificateProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also tells who the other end of a mutual TLS connection is, and can be found
    by who takes the connection over."""

    _host: str | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert() if connection else None
        if certificate:
            names = dict(pair[0] for pair in certificate["subject"])  # type: ignore[misc]
            self._host = names.get("commonName")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope[SCOPE_KEY] = self._host
        scope[_CONNECTION_KEY] = self

    def _unsupported_upgrade_warning(self) -> None:
        """Upgrades are ours to answer."""


def certificate_name(scope: Scope) -> str | None:
    """The host's id by its certificate, which TLS has verified."""
    found: str | None = scope.get(SCOPE_KEY)
    return found


def connection(scope: Scope) -> CertificateProtocol:
    """The connection that the request came by."""
    found: CertificateProtocol = scope[_CONNECTION_KEY]
    return found


def header_name(scope: Scope) -> str | None:
    """The host's id as it says itself: only where the operator set `trust_host_header`."""
    for name, value in scope["headers"]:
        if name == HOST_HEADER:
            return str(value.decode("ascii", "replace"))
    return None


class HostAuthenticator:
    """A host's id to a caller with the role `host`, whose `user_name` is the id."""

    def authenticate(self, tx: Tx, token: str) -> Caller:
        """Raises Unauthenticated for a host that was removed."""
        if tx.value(_KNOWN, {"id": token}) is None:
            raise Unauthenticated("This host is not enrolled here.")
        return Caller(user_id=None, user_name=token, roles=frozenset({"host"}))


@dataclass(frozen=True)
class Authority:
    """Signs hosts' requests with the cloud's own key (`ca.pem`, `ca.key` in the secrets directory)."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    clock: Clock

    @classmethod
    def load(cls, secrets_dir: Path, clock: Clock) -> "Authority":
        """Read what set-up made."""
        certificate = x509.load_pem_x509_certificate((secrets_dir / "ca.pem").read_bytes())
        key = serialization.load_pem_private_key((secrets_dir / "ca.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise Invalid("secrets/ca.key is not an elliptic curve key")
        return cls(certificate, key, clock)

    @property
    def pem(self) -> str:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def sign(self, csr_pem: str, host_id: str) -> str:
        """A client certificate for the key in the request, in the name of the host and nothing else that the
        request asks for. Raises Invalid."""
        try:
            request = x509.load_pem_x509_csr(csr_pem.encode())
        except ValueError as error:
            raise Invalid("csr_pem is not a certificate signing request.", field="csr_pem") from error
        if not request.is_signature_valid:
            raise Invalid("csr_pem is not signed by its own key.", field="csr_pem")
        now = self.clock.now()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host_id)])
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + CERTIFICATE_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()
