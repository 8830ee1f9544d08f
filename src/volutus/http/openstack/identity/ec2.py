"""Tokens for requests that were signed with EC2 keys, asked for by the EC2 and S3 fronts that got them."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from volutus.errors import Invalid
from volutus.http.kernel import Request
from volutus.http.openstack.identity.auth import answer
from volutus.http.openstack.identity.bodies import identity_of
from volutus.identity import ec2
from volutus.identity.signatures import AwsRequest

_Text = Annotated[str, Meta(max_length=4096)]
_Pairs = Annotated[dict[str, str], Meta(max_length=200)]


class Ec2Credentials(msgspec.Struct):
    """A request as an EC2 front saw it."""

    access: _Text
    signature: _Text
    host: _Text = ""
    verb: _Text = ""
    path: _Text = ""
    params: _Pairs = {}
    headers: _Pairs = {}
    body_hash: _Text = ""


class S3Credentials(msgspec.Struct):
    """The text that was signed, in base64, as an S3 front made it."""

    access: _Text
    signature: _Text
    token: Annotated[str, Meta(min_length=1, max_length=65536)]


class Ec2Body(msgspec.Struct):
    """EC2's fronts call it either way."""

    credentials: Ec2Credentials | None = None
    ec2_credentials: Ec2Credentials | None = msgspec.field(default=None, name="ec2Credentials")


class S3Body(msgspec.Struct):
    credentials: S3Credentials


def issue_ec2(request: Request) -> Response:
    """A token of the owner of the keys that the request was signed with."""
    body = request.read(Ec2Body)
    given = body.credentials or body.ec2_credentials
    if given is None:
        raise Invalid("Invalid input for credentials: it is required.", field="credentials")
    return _issue(request, AwsRequest(**{name: getattr(given, name) for name in given.__struct_fields__}))


def issue_s3(request: Request) -> Response:
    """The same for S3."""
    given = request.read(S3Body).credentials
    return _issue(request, AwsRequest(given.access, given.signature, token=given.token))


def _issue(request: Request, signed: AwsRequest) -> Response:
    token = ec2.sign_in(request.tx, identity_of(request), signed)
    return answer(request, token, 200)
