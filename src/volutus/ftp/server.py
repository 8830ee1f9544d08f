# ruff: noqa: ARG002  (the library gives all arguments of an authorizer, and this one needs few)
"""The FTP server: a thread for each session, which signs in with an application credential.

With a certificate, both connections of a session must be encrypted; without one, nothing is.
"""

import logging
from typing import Any

from pyftpdlib.exceptions import AuthenticationFailed
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_DTPHandler, TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer

from volutus.clock import SystemClock
from volutus.ftp.cloud import Cloud, CloudProblem
from volutus.ftp.files import Upload, VolumeFiles
from volutus.settings import Settings

log = logging.getLogger(__name__)

SESSIONS_MAX = 100
SESSIONS_PER_ADDRESS_MAX = 20
# Listed, entered, read and written; nothing is removed or renamed.
_PERMISSIONS = "elrw"


class Credentials:
    """What pyftpdlib asks about who signs in."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        """Sign in; the session works with what that gave."""
        try:
            handler.cloud = Cloud(self._origin, SystemClock(), username, password)
        except CloudProblem as problem:
            raise AuthenticationFailed("Authentication failed.") from problem

    def get_home_dir(self, username: str) -> str:
        return "/"

    def has_perm(self, username: str, perm: str, path: str | None = None) -> bool:
        return perm in _PERMISSIONS

    def get_perms(self, username: str) -> str:
        return _PERMISSIONS

    def get_msg_login(self, username: str) -> str:
        return "The project's drives are here."

    def get_msg_quit(self, username: str) -> str:
        return "Goodbye."

    def impersonate_user(self, username: str, password: str) -> None:
        """Files are the cloud's: no user of this machine is meant."""

    def terminate_impersonation(self, username: str) -> None:
        """The same."""


class _Finishing:
    """A data connection at whose end an upload becomes a volume, before the client hears that all is well."""

    file_obj: Any
    transfer_finished: bool

    def close(self) -> None:
        if isinstance(self.file_obj, Upload) and self.transfer_finished and not self.file_obj.closed:
            try:
                self.file_obj.finish()
            except (CloudProblem, OSError) as problem:
                self._resp = (f"451 {problem}", log.info)
        super().close()  # type: ignore[misc]


class _Data(_Finishing, DTPHandler):  # type: ignore[misc]
    """In clear."""


class _EncryptedData(_Finishing, TLS_DTPHandler):  # type: ignore[misc]
    """By TLS."""


class _Resuming:
    """A session whose files are told when a download goes on."""

    _restart_position: int
    fs: VolumeFiles

    def ftp_RETR(self, file: str) -> Any:  # noqa: N802  (the library finds commands by name)
        self.fs.resuming = self._restart_position > 0
        return super().ftp_RETR(file)  # type: ignore[misc]


class _Session(_Resuming, FTPHandler):  # type: ignore[misc]
    """In clear."""

    dtp_handler = _Data


class _EncryptedSession(_Resuming, TLS_FTPHandler):  # type: ignore[misc]
    """By TLS."""

    dtp_handler = _EncryptedData
    tls_control_required = True
    tls_data_required = True


def server(settings: Settings, address: tuple[str, int]) -> ThreadedFTPServer:
    """Listening, and ready to `serve_forever`."""
    base = _EncryptedSession if settings.ftp_certificate else _Session
    ports = _ports(settings.ftp_passive_ports)
    members = {
        "authorizer": Credentials(f"http://{settings.listen}"),
        "abstracted_fs": VolumeFiles,
        "banner": "Volutus",
        "passive_ports": ports,
        # Its files are no files: there is nothing for the kernel to send.
        "use_sendfile": False,
    }
    if settings.ftp_certificate:
        members["certfile"] = settings.ftp_certificate
    made = ThreadedFTPServer(address, type("Session", (base,), members))
    made.max_cons, made.max_cons_per_ip = SESSIONS_MAX, SESSIONS_PER_ADDRESS_MAX
    return made


def _ports(text: str) -> range | None:
    """`60000-60099`; None for any."""
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1) if text else None
