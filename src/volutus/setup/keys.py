"""The cloud's secrets, made once: token keys, passwords, and the certificates by which agents and control
plane know each other.

DIR/secrets/volumes.key     seals the keys of encrypted volumes: without it they are lost
DIR/secrets/fernet/0, 1     keys of tokens; the highest number signs, all verify DIR/secrets/admin.password,
demo.password DIR/secrets/ca.pem, ca.key  signs every agent DIR/secrets/server.pem, .key  of the listener for
agents DIR/agent/ca.pem            by which this machine's agent knows the control plane; it enrols like any
other
"""

import base64
import ipaddress
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from volutus.clock import SystemClock
from volutus.settings import Settings
from volutus.setup.files import write_secret
from volutus.supervise.sockets import reachable

# Nobody renews a private cloud's own authority: it should outlive the machine.
_LIFETIME = timedelta(days=20 * 365)
# Machines whose clocks differ must not refuse a certificate made a moment ago.
_CLOCK_SKEW = timedelta(days=1)
_PASSWORD_BYTES = 18
USERS = ("admin", "demo")


@dataclass(frozen=True)
class _Signed:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def create(settings: Settings) -> None:
    """Make what is missing."""
    fernet = settings.secrets_dir / "fernet"
    fernet.mkdir(mode=0o700, exist_ok=True)
    for number in ("0", "1"):
        _write_once(fernet / number, lambda: base64.urlsafe_b64encode(os.urandom(32)))
    for user in USERS:
        _write_once(_password_path(settings, user), lambda: secrets.token_urlsafe(_PASSWORD_BYTES).encode())
    _write_once(settings.secrets_dir / "volumes.key", lambda: base64.urlsafe_b64encode(os.urandom(32)))
    if not (settings.secrets_dir / "server.pem").exists():
        _create_certificates(settings)


def password(settings: Settings, user: str) -> str:
    """The password made for `admin` or `demo`; the user may have changed it since."""
    return _password_path(settings, user).read_text()


def _password_path(settings: Settings, user: str) -> Path:
    return settings.secrets_dir / f"{user}.password"


def _create_certificates(settings: Settings) -> None:
    now = SystemClock().now()
    authority = _authority(now)
    server = _server(settings, authority, now)
    for path, content in (
        (settings.secrets_dir / "ca.key", _key_pem(authority.key)),
        (settings.secrets_dir / "ca.pem", _pem(authority.certificate)),
        (settings.state_dir / "agent" / "ca.pem", _pem(authority.certificate)),
        (settings.secrets_dir / "server.key", _key_pem(server.key)),
        # Last: it says that all the others are there.
        (settings.secrets_dir / "server.pem", _pem(server.certificate)),
    ):
        write_secret(path, content)


def _authority(now: datetime) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Volutus")])
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(name, name, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Signed(certificate, key)


def _server(settings: Settings, authority: _Signed, now: datetime) -> _Signed:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "volutus")])
    issuer_key = authority.key.public_key()
    names = x509.SubjectAlternativeName([_general_name(name) for name in _server_names(settings)])
    certificate = (
        _builder(subject, authority.certificate.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
        .add_extension(names, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _Signed(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _server_names(settings: Settings) -> tuple[str, ...]:
    host, _ = reachable(settings.agent_listen)
    return tuple(
        {"localhost": 0, "127.0.0.1": 0, "::1": 0, socket.gethostname(): 0, socket.getfqdn(): 0, host: 0}
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_once(path: Path, content: Callable[[], bytes]) -> None:
    if not path.exists():
        write_secret(path, content())
