"""Key pairs of the kind that Windows takes: a certificate in place of an SSH key."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from volutus.compute.faults import KeyPairInvalid

BEGINS = "-----BEGIN CERTIFICATE-----"
_RSA_BITS = 2048
_LIFETIME = timedelta(days=3650)
# By this name Windows finds who signs in with the certificate.
_PRINCIPAL_NAME = ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def generate(name: str, now: datetime) -> tuple[str, str]:
    """A new private key, and a certificate of it signed by itself, as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    principal = name.encode()[:100]
    other = x509.OtherName(_PRINCIPAL_NAME, b"\x0c" + bytes([len(principal)]) + principal)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([other]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private.decode(), made.public_bytes(serialization.Encoding.PEM).decode()


def fingerprint(certificate: str) -> str:
    """SHA-1 in pairs of hex digits, as Nova shows it. Raises KeyPairInvalid for what is no certificate."""
    try:
        digest = x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA1()).hex()  # noqa: S303
    except ValueError as error:
        raise KeyPairInvalid("Keypair data is invalid: it is no certificate", field="public_key") from error
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))
