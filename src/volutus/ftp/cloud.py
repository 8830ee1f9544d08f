"""A project's volumes by the public API, as one FTP session needs them. Calls block."""

import http.client
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from volutus.clock import Clock

GIB = 1 << 30
TIMEOUT_S = 120.0
# The control connection is silent while a drive is copied or made; clients wait for minutes, not for ever.
WAIT_MAX_S = 600.0
LOOK_S = 1.0
# A page of the API; more volumes than that are not looked through in a directory.
LISTED_MAX = 1000
# A download that was cut off can go on within this.
RESUMABLE_S = 24 * 3600.0
_HEADERS = {"OpenStack-API-Version": "volume 3.70", "Content-Type": "application/json"}


class CloudProblem(Exception):
    """The cloud refused, with words for whoever sits at the FTP client."""


@dataclass(frozen=True)
class Drive:
    """A volume as a file. `changed_at` is in seconds of Unix time."""

    id: str
    name: str
    size_bytes: int
    changed_at: float


class Cloud:
    """One application credential's view of its project."""

    def __init__(self, origin: str, clock: Clock, credential_id: str, secret: str) -> None:
        """Sign in. Raises CloudProblem."""
        self.clock = clock
        self._address = urlsplit(origin).netloc
        self._credential_id = credential_id
        self._token = ""
        credential = {"id": credential_id, "secret": secret}
        method = {"methods": ["application_credential"], "application_credential": credential}
        answer, headers = self._exchange("POST", "/identity/v3/auth/tokens", {"auth": {"identity": method}})
        self._token = headers["x-subject-token"]
        self._volumes = f"/volume/v3/{answer['token']['project']['id']}"

    def drives(self) -> list[Drive]:
        """The project's volumes."""
        found = self._call("GET", f"{self._volumes}/volumes/detail?limit={LISTED_MAX}")["volumes"]
        return [
            Drive(one["id"], one["name"] or "volume", one["size"] * GIB, _seconds(one["created_at"]))
            for one in found
        ]

    def instant(self, volume_id: str) -> str:
        """The volume as it is now, by the id to download it under. Raises CloudProblem."""
        for old in self._instants(volume_id):
            if self.clock.now().timestamp() - _seconds(old["created_at"]) > RESUMABLE_S:
                self.forget(old["id"])
        order = {"volume_id": volume_id, "name": self._name, "force": True}
        made = self._call("POST", f"{self._volumes}/snapshots", {"snapshot": order})["snapshot"]["id"]
        self._wait(f"{self._volumes}/snapshots/{made}", "snapshot")
        return str(made)

    def interrupted(self, volume_id: str) -> str:
        """The instant that a download was cut off from. Raises CloudProblem when there are several, for they
        must not be mixed, or none."""
        found = self._instants(volume_id)
        if len(found) != 1:
            raise CloudProblem("This download cannot go on: begin anew")
        return str(found[0]["id"])

    def forget(self, snapshot_id: str) -> None:
        """An instant is no longer needed."""
        self._call("DELETE", f"{self._volumes}/snapshots/{snapshot_id}")

    def content(self, snapshot_id: str, offset: int) -> http.client.HTTPResponse:
        """The bytes from there on. Raises CloudProblem."""
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        headers = {"X-Auth-Token": self._token, "Range": f"bytes={offset}-"}
        connection.request("GET", f"{self._volumes}/snapshots/{snapshot_id}/raw", headers=headers)
        answer = connection.getresponse()
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            raise CloudProblem(_told(answer.read()))
        return answer

    def new_image(self, name: str, disk_format: str) -> str:
        """An image to be filled, in which a drive comes; its id."""
        fields = {"name": name, "disk_format": disk_format, "container_format": "bare"}
        return str(self._call("POST", "/image/v2/images", fields)["id"])

    def filling(self, image_id: str) -> http.client.HTTPConnection:
        """A connection that takes the image's bytes as chunks."""
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        connection.putrequest("PUT", f"/image/v2/images/{image_id}/file")
        connection.putheader("X-Auth-Token", self._token)
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Transfer-Encoding", "chunked")
        connection.endheaders()
        return connection

    def drive_of(self, image_id: str, name: str) -> None:
        """Make a volume of the image, as small as it may be, and wait for it. Raises CloudProblem."""
        shown = self._call("GET", f"/image/v2/images/{image_id}")
        size_bytes = shown.get("virtual_size") or shown["size"]
        order = {"name": name, "size": max(1, -(-size_bytes // GIB)), "imageRef": image_id}
        made = self._call("POST", f"{self._volumes}/volumes", {"volume": order})["volume"]["id"]
        self._wait(f"{self._volumes}/volumes/{made}", "volume")

    def drop_image(self, image_id: str) -> None:
        """The image was only the way here."""
        self._call("DELETE", f"/image/v2/images/{image_id}")

    @property
    def _name(self) -> str:
        return f"FTP {self._credential_id}"

    def _instants(self, volume_id: str) -> list[dict[str, Any]]:
        query = f"volume_id={volume_id}&limit={LISTED_MAX}"
        found = self._call("GET", f"{self._volumes}/snapshots/detail?{query}")["snapshots"]
        return [one for one in found if one["name"] == self._name and one["status"] == "available"]

    def _wait(self, path: str, noun: str) -> None:
        deadline = time.monotonic() + WAIT_MAX_S
        while (status := self._call("GET", path)[noun]["status"]) != "available":
            if status.startswith("error") or time.monotonic() > deadline:
                raise CloudProblem(f"The {noun} is {status}")
            time.sleep(LOOK_S)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._exchange(method, path, body)[0]

    def _exchange(
        self, method: str, path: str, body: Mapping[str, Any] | None
    ) -> tuple[Any, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection(self._address, timeout=TIMEOUT_S)
        try:
            sent = json.dumps(body).encode() if body is not None else None
            connection.request(method, path, sent, {**_HEADERS, "X-Auth-Token": self._token})
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise CloudProblem("The cloud does not answer") from error
        finally:
            connection.close()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            raise CloudProblem(_told(content))
        return json.loads(content) if content else None, answer.headers


def _told(content: bytes) -> str:
    """What a fault of the API says, in one line."""
    try:
        body = json.loads(content)
        first = next(iter(body.values()))
        return str(first["message"]).replace("\r", " ").replace("\n", " ")
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return "The cloud refused"


def _seconds(moment: str) -> float:
    """Cinder's times, which are UTC and do not say so."""
    return datetime.fromisoformat(moment[:19]).replace(tzinfo=UTC).timestamp()
