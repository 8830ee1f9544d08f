"""How this machine becomes a host: makes a key, has the control plane sign it, by a join token used once.

The key never leaves the machine. This is the one place that needs cryptography, so it is loaded only here.
"""

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import msgspec

from volutus.agent.config import AgentConfig, BadConfig
from volutus.agent.connection import PREFIX, Channel, ConnectionTrouble, Request
from volutus.wire import Enrolled, Enrolment

log = logging.getLogger(__name__)

TOKENS_FILE = "join-tokens"
TOKEN_FILE = "join-token"  # noqa: S105  (the name of a file)
ID_FILE = "host-id"
RETRY_S = 2.0


def ensure(config: AgentConfig) -> None:
    """Enrol if this host has no certificate yet; tries until the control plane answers."""
    if config.trusted_host_id or config.certificate.exists():
        return
    token_path = config.state_dir / TOKEN_FILE
    token = config.join_token or (token_path.read_text().strip() if token_path.exists() else "")
    if not token:
        raise BadConfig("this host has neither a certificate nor a join token")
    while True:
        try:
            _enrol(config, token)
            break
        except ConnectionTrouble as error:
            log.warning("cannot enrol yet: %s", error)
            time.sleep(RETRY_S)
    token_path.unlink(missing_ok=True)


def ensure_simulated(config: AgentConfig, number: int) -> AgentConfig:
    """The configuration of one simulated host, enrolled."""
    directory = config.state_dir / "simulated" / str(number)
    directory.mkdir(parents=True, exist_ok=True)
    one = replace(
        config,
        certificate=directory / "host.pem",
        key=directory / "host.key",
        hostname=f"simulated-{number}",
        trusted_host_id="",
    )
    if not one.certificate.exists():
        tokens_path = config.state_dir / TOKENS_FILE
        tokens = tokens_path.read_text().split() if tokens_path.exists() else []
        if not tokens:
            raise BadConfig(f"there is no join token left in {tokens_path}")
        ensure(replace(one, join_token=tokens[0]))
        tokens_path.write_text("\n".join(tokens[1:]))
    return one


def host_id(config: AgentConfig) -> str:
    """Who this host is; it must be enrolled."""
    return config.certificate.with_name(ID_FILE).read_text().strip()


def _enrol(config: AgentConfig, token: str) -> None:
    hostname = config.hostname or os.uname().nodename
    # The key is kept over failed tries: an answer that was lost may have used up the token for it.
    key_pem = config.key.read_bytes() if config.key.exists() else _new_key(config.key)
    body = msgspec.json.encode(
        Enrolment(join_token=token, hostname=hostname, csr_pem=_request(key_pem, hostname))
    )
    channel = Channel(config)
    try:
        answer = channel.call(Request("POST", f"{PREFIX}/enrol", body))
    finally:
        channel.close()
    enrolled = msgspec.json.decode(answer, type=Enrolled)
    _write(config.certificate.with_name(ID_FILE), enrolled.host_id.encode())
    _write(config.certificate, enrolled.certificate_pem.encode())
    log.info("enrolled as host %s", enrolled.host_id)


def _new_key(path: Path) -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    _write(path, pem)
    return pem


def _request(key_pem: bytes, hostname: str) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = serialization.load_pem_private_key(key_pem, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadConfig("the host's key is of another kind than this agent makes")
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
    os.replace(fresh, path)
