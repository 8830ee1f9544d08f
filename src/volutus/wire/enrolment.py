"""How a new host becomes one: `POST /agent/v1/enrol`, the only call of an agent without a client certificate.

The join token is used up by the first enrolment that names it.
"""

import msgspec


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """`csr_pem` is a certificate signing request made with the host's own key, which never leaves it."""

    join_token: str
    hostname: str
    csr_pem: str


class Enrolled(msgspec.Struct, frozen=True, kw_only=True):
    """The host's identity: its id is the certificate's common name. `ca_pem` signed both ends."""

    host_id: str
    certificate_pem: str
    ca_pem: str
