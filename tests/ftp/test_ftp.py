"""Drives by FTP and FTPS, as Python's own client sees them, in a cloud of real processes."""

import contextlib
import ftplib
import io
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from bench.client import Client
from bench.cloud import Cloud, _free_port, eventually
from bench.tenant import Tenant
from volutus.ftp.server import server
from volutus.supervise.sockets import host_and_port

pytestmark = pytest.mark.machine

GIB = 1 << 30


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("ftp") / "ftp.pem"
    parts = ["-keyout", f"{path}.key", "-out", f"{path}.crt"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names, *parts]
    subprocess.run(request, check=True, capture_output=True)
    path.write_bytes(Path(f"{path}.key").read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture(scope="module")
def cloud(certificate):
    listen = f"127.0.0.1:{_free_port()}"
    made = Cloud.make(1, ftp_listen=listen, ftp_certificate=str(certificate))
    try:
        made.start()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def tenant(cloud):
    return Tenant.make(cloud)


@pytest.fixture(scope="module")
def credential(tenant):
    headers = {"X-Subject-Token": tenant.client.token}
    token = tenant.client.call("GET", "/identity/v3/auth/tokens", headers=headers).json()["token"]
    path = f"/identity/v3/users/{token['user']['id']}/application_credentials"
    answer = tenant.client.call("POST", path, {"application_credential": {"name": "ftp"}})
    made = answer.json()["application_credential"]
    return made["id"], made["secret"]


@pytest.fixture
def sign_in(cloud, certificate, credential):
    """Opens sessions; the last one is closed at the end."""
    context = ssl.create_default_context(cafile=f"{certificate}.crt")
    address = host_and_port(cloud.settings.ftp_listen)
    opened = []

    def open_(*words):
        ftp = ftplib.FTP_TLS(context=context, timeout=60)
        opened.append(ftp)
        ftp.connect(*address)
        ftp.login(*(words or credential))
        ftp.prot_p()
        return ftp

    eventually(lambda: _listens(address), "the FTP server listens")
    yield open_
    opened[-1].close()


@pytest.fixture
def signed_in(sign_in):
    return sign_in()


def _listens(address):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(address):
        return True
    return False


class Counting:
    """Takes zeros."""

    def __init__(self):
        self.count = 0

    def take(self, data):
        assert not data.strip(b"\0")
        self.count += len(data)


def names(ftp):
    """What is listed; then back to binary, as sizes and drives want it."""
    found = ftp.nlst()
    ftp.voidcmd("TYPE I")
    return found


def snapshots(client: Client, project_id: str):
    return client.call("GET", f"/volume/v3/{project_id}/snapshots").json()["snapshots"]


def test_only_a_credential_by_tls_opens_it(cloud, sign_in, credential):
    with pytest.raises(ftplib.error_perm, match="530"):
        sign_in(credential[0], "wrong")
    with ftplib.FTP(timeout=60) as plain:
        plain.connect(*host_and_port(cloud.settings.ftp_listen))
        with pytest.raises(ftplib.error_perm, match="550"):
            plain.login(*credential)


def test_a_drive_goes_up_and_comes_back(signed_in, tenant):
    ftp = signed_in
    assert names(ftp) == []
    ftp.storbinary("STOR mine.raw", io.BytesIO(b"boot" * 256))
    (name,) = names(ftp)
    assert name.startswith("mine-") and name.endswith(".raw") and ftp.size(name) == GIB
    lines = []
    ftp.retrlines("LIST", lines.append)
    assert name in lines[0] and str(GIB) in lines[0]
    images = tenant.client.call("GET", "/image/v2/images?owner=" + tenant.project_id).json()["images"]
    assert "mine" not in [one["name"] for one in images]


def test_a_download_that_was_cut_off_goes_on_from_the_same_instant(sign_in, tenant):
    ftp = sign_in()
    (name,) = names(ftp)
    with pytest.raises(ftplib.error_perm, match="begin anew"):
        ftp.retrbinary(f"RETR {name}", Counting().take, rest=5000)
    connection = ftp.transfercmd(f"RETR {name}")
    connection.recv(100000)
    connection.close()
    ftp.close()
    ftp = sign_in()
    ftp.voidcmd("TYPE I")
    (held,) = snapshots(tenant.client, tenant.project_id)
    assert held["status"] == "available"
    taken = Counting()
    ftp.retrbinary(f"RETR {name}", taken.take, rest=GIB - 70000)
    assert taken.count == 70000
    eventually(lambda: not snapshots(tenant.client, tenant.project_id), "the snapshot goes")


@pytest.mark.parametrize("command", ["DELE {}", "RNFR {}", "MKD x", "STOR no-format", "RETR none.raw"])
def test_nothing_else_is_done(signed_in, command):
    (name,) = names(signed_in)
    with pytest.raises(ftplib.error_perm, match="55"):
        signed_in.voidcmd(command.format(name))


def test_a_file_that_is_not_of_its_format_is_refused(signed_in, tenant):
    with pytest.raises(ftplib.error_temp, match="451"):
        signed_in.storbinary("STOR broken.qcow2", io.BytesIO(b"none" * 256))
    assert len(names(signed_in)) == 1


def test_without_a_certificate_it_is_plain(cloud, credential):
    settings = replace(cloud.settings, ftp_certificate="")
    plain = server(settings, ("127.0.0.1", 0))
    thread = threading.Thread(target=plain.serve_forever, kwargs={"timeout": 0.2, "handle_exit": False})
    thread.start()
    try:
        ftp = ftplib.FTP(timeout=60)
        ftp.connect(*plain.address)
        ftp.login(*credential)
        assert len(names(ftp)) == 1
        ftp.quit()
    finally:
        plain.close_all()
        thread.join(10)
