"""Enrolment and mutual TLS, against a control plane that checks certificates."""

import datetime
import ipaddress
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.agent.control_plane import ControlPlane
from volutus.agent import enrolment
from volutus.agent.config import AgentConfig, BadConfig, parse
from volutus.agent.connection import Channel, ConnectionTrouble
from volutus.wire import DiskSpec, Enrolled, Enrolment, Observed

NOW = datetime.datetime.now(datetime.UTC)


@dataclass
class Authority:
    """Signs anything."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "authority")])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        builder = _builder(name, name, key.public_key()).add_extension(authority, critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    def sign(self, common_name: str, public_key: ec.EllipticCurvePublicKey) -> bytes:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = _builder(name, self.certificate.subject, public_key).add_extension(address, critical=False)
        return builder.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:  # fmt: skip
    day = datetime.timedelta(days=1)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - day)
        .not_valid_after(NOW + day)
    )


class SecurePlane(ControlPlane):
    """Takes one join token once, and after that only hosts with a certificate."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority.make()
        self.tokens = {"once"}
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / "ca.pem").write_bytes(self.authority.pem)
        (directory / "server.pem").write_bytes(self.authority.sign("server", key.public_key()) + pem)
        super().__init__()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.pem")
        context.load_verify_locations(directory / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)

    def enrol(self, body: bytes) -> bytes | None:
        asked = msgspec.json.decode(body, type=Enrolment)
        if asked.join_token not in self.tokens:
            return None
        self.tokens.discard(asked.join_token)
        request = x509.load_pem_x509_csr(asked.csr_pem.encode())
        key = request.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        certificate = self.authority.sign("host-7", key).decode()
        ca = self.authority.pem.decode()
        return msgspec.json.encode(Enrolled(host_id="host-7", certificate_pem=certificate, ca_pem=ca))


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[SecurePlane]:
    served = SecurePlane(tmp_path)
    yield served
    served.close()


def config(plane: ControlPlane, directory: Path, **more: object) -> AgentConfig:
    url = plane.url.replace("http:", "https:")
    return parse({"control_plane": url, "hostname": "me", **more}, directory)


def test_a_machine_enrols_once_and_is_known_from_then_on(plane: SecurePlane, tmp_path: Path) -> None:
    (tmp_path / "join-token").write_text("once\n")
    mine = config(plane, tmp_path)
    enrolment.ensure(mine)
    assert enrolment.host_id(mine) == "host-7"
    assert not (tmp_path / "join-token").exists()
    assert (tmp_path / "host.key").stat().st_mode & 0o077 == 0
    enrolment.ensure(mine)
    plane.order(DiskSpec(id="disk", size_bytes=1))
    channel = Channel(mine)
    assert channel.desired(0, 0).assignments[0].key == "disk"
    assert channel.report(Observed(seen=1)).resend_all is False
    assert channel.console("g", 0, b"text") == 4
    assert plane.callers == {"", "host-7"}
    channel.close()


def test_without_a_token_it_says_so(plane: SecurePlane, tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match="join token"):
        enrolment.ensure(config(plane, tmp_path))


def test_simulated_hosts_enrol_each_by_its_own_token(plane: SecurePlane, tmp_path: Path) -> None:
    plane.tokens = {"a", "b"}
    (tmp_path / "join-tokens").write_text("a\nb\n")
    for number in (0, 1):
        one = enrolment.ensure_simulated(config(plane, tmp_path), number)
        assert one.certificate.parent.name == str(number) and enrolment.host_id(one) == "host-7"
    with pytest.raises(BadConfig, match="no join token left"):
        enrolment.ensure_simulated(config(plane, tmp_path), 2)


def test_another_authority_is_not_believed(plane: SecurePlane, tmp_path: Path) -> None:
    (tmp_path / "other.pem").write_bytes(Authority.make().pem)
    with pytest.raises(ConnectionTrouble, match="CERTIFICATE_VERIFY_FAILED"):
        Channel(config(plane, tmp_path, ca="other.pem")).desired(0, 0)


def test_another_name_is_not_believed_unless_told(plane: SecurePlane, tmp_path: Path) -> None:
    with pytest.raises(ConnectionTrouble, match="CERTIFICATE_VERIFY_FAILED"):
        Channel(config(plane, tmp_path, server_name="elsewhere")).desired(0, 0)


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(tmp_path: Path) -> None:
    plane = ControlPlane()
    channel = Channel(parse({"control_plane": plane.url}, tmp_path))
    channel.desired(0, 0)
    channel.abort()
    assert channel.desired(0, 0).generation == 0
    plane.away = True
    with pytest.raises(ConnectionTrouble, match="503"):
        channel.desired(0, 0)
    plane.close()
    channel.close()


def test_what_is_not_as_agreed_is_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = ControlPlane()
    monkeypatch.setattr(plane, "append", lambda *_: json.dumps("?"))
    channel = Channel(parse({"control_plane": plane.url}, tmp_path))
    with pytest.raises(ConnectionTrouble, match="not as agreed"):
        channel.console("g", 0, b"")
    plane.close()
