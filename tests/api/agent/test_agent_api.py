"""Hosts and the control plane over real TLS: who may connect, and how fast a change is heard."""

import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import pytest
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import make_caller
from volutus import image, main, placement
from volutus.clock import SystemClock
from volutus.http import agent
from volutus.http.agent.trust import CertificateProtocol
from volutus.http.kernel import Kernel
from volutus.ids import Ids
from volutus.image import ImageFields, ImageStore
from volutus.wire import Desired, DiskSource, DiskSpec, Enrolled, Enrolment, GuestSpec, Power


def key_pair():
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return key, pem


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, public_key, issuer, signer, *, ca=False):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    )
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def make_secrets(directory, authority="ca"):
    directory.mkdir()
    ca_key, ca_pem = key_pair()
    server_key, server_pem = key_pair()
    (directory / "ca.key").write_bytes(ca_pem)
    (directory / "ca.pem").write_bytes(
        certificate(authority, ca_key.public_key(), authority, ca_key, ca=True)
    )
    (directory / "server.key").write_bytes(server_pem)
    (directory / "server.pem").write_bytes(certificate("server", server_key.public_key(), authority, ca_key))


class Plane:
    """A listening agents' API and ways to talk to it."""

    def __init__(self, settings, database, tmp_path):
        self.database, self.tmp_path, self.settings = database, tmp_path, settings
        make_secrets(settings.secrets_dir)
        clock = SystemClock()
        served = main.plane(settings, database, clock, Ids(), agent.HostAuthenticator())
        served.parts["authority"] = agent.Authority.load(settings.secrets_dir, clock)
        served.parts["heartbeats"] = agent.Heartbeats(served.database)
        served.parts["bell"] = agent.HostBell(database.url)
        listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://localhost:{listening.getsockname()[1]}/agent/v1"
        secrets = settings.secrets_dir
        self.server = uvicorn.Server(
            uvicorn.Config(
                Kernel(served, [agent.dialect(trust_host_header=False)]),
                log_config=None,
                lifespan="off",
                http=CertificateProtocol,
                ssl_certfile=secrets / "server.pem",
                ssl_keyfile=secrets / "server.key",
                ssl_ca_certs=str(secrets / "ca.pem"),
                ssl_cert_reqs=ssl.CERT_OPTIONAL,
            )
        )
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listening]})
        self.thread.start()

    def stop(self):
        self.server.should_exit = self.server.force_exit = True
        self.thread.join(timeout=10)

    def anonymous(self):
        return httpx.Client(verify=self._context(), base_url=self.url, timeout=10)

    def enrol(self, hostname):
        """A host's id, and a client with its certificate."""
        host_id, path = self.enrolled(hostname)
        return host_id, self.client(path)

    def enrolled(self, hostname):
        """A host's id, and the file with its certificate and key."""
        with self.database.begin() as tx:
            token = placement.new_join_token(tx)
        key, key_pem = key_pair()
        request = (
            x509.CertificateSigningRequestBuilder().subject_name(name("admin")).sign(key, hashes.SHA256())
        )
        csr = request.public_bytes(serialization.Encoding.PEM).decode()
        body = msgspec.json.encode(Enrolment(join_token=token, hostname=hostname, csr_pem=csr))
        with self.anonymous() as client:
            answer = client.post("/enrol", content=body)
            assert client.post("/enrol", content=body).status_code == 403
        enrolled = msgspec.json.decode(answer.content, type=Enrolled)
        path = self.tmp_path / f"{time.monotonic_ns()}.pem"
        path.write_bytes(enrolled.certificate_pem.encode() + key_pem)
        return enrolled.host_id, path

    def client(self, path):
        context = self._context()
        context.load_cert_chain(path)
        return httpx.Client(verify=context, base_url=self.url, timeout=10)

    def _context(self):
        return ssl.create_default_context(cafile=self.settings.secrets_dir / "ca.pem")


@pytest.fixture
def plane(settings, shared_database, tmp_path):
    started = Plane(settings, shared_database, tmp_path)
    yield started
    started.stop()


def test_a_host_gets_only_images_that_it_was_told_of(plane):
    store = ImageStore(plane.settings.image_dir)
    ids = {}
    with plane.database.begin() as tx:
        for part in ("disk", "kernel", "ramdisk", "other"):
            made = image.create(
                tx, make_caller(), ImageFields(disk_format="raw", container_format="bare", name=part)
            )
            upload = image.data.begin(tx, make_caller(), made.id)
            incoming = store.receive(upload.id)
            incoming.write(part.encode())
            image.data.finish(tx, make_caller(), upload, incoming.complete(), 1)
            store.keep(incoming.path, made.id)
            ids[part] = made.id
    (one, one_client), (_, two_client) = plane.enrol("one"), plane.enrol("two")
    source = {part: DiskSource(image_id=ids[part], image_format="raw") for part in ids}
    guest = GuestSpec(
        id="g", name="g", power=Power.ON, cores=1, mhz=1000, memory_mib=64, disks=[], nics=[],
        kernel_image=source["kernel"], ramdisk_image=source["ramdisk"],
    )  # fmt: skip
    with plane.database.begin() as tx:
        placement.assign(tx, one, "disk", "d", DiskSpec(id="d", size_bytes=1, source=source["disk"]))
        placement.assign(tx, one, "guest", "g", guest)
    with one_client, two_client:
        for part in ("disk", "kernel", "ramdisk"):
            answer = one_client.get(f"/images/{ids[part]}/file")
            assert (answer.status_code, answer.content) == (200, part.encode())
            assert two_client.get(f"/images/{ids[part]}/file").status_code == 404
        assert one_client.get(f"/images/{ids['other']}/file").status_code == 404
        with plane.database.begin() as tx:
            placement.bury(tx, one, "disk", "d")
        assert one_client.get(f"/images/{ids['disk']}/file").status_code == 404


def test_a_host_is_who_its_certificate_says(plane):
    one, one_client = plane.enrol("one")
    two, two_client = plane.enrol("two")
    assert one != two
    with plane.database.begin() as tx:
        placement.assign(tx, one, "disk", "d", DiskSpec(id="d", size_bytes=1))
    answer = msgspec.json.decode(one_client.get("/desired?seen=0&wait=0").content, type=Desired)
    assert [assignment.key for assignment in answer.assignments] == ["d"]
    other = msgspec.json.decode(two_client.get("/desired?seen=0&wait=0").content, type=Desired)
    assert other.assignments == []


def test_without_a_certificate_of_ours_there_is_nothing_but_enrolment(plane, tmp_path):
    with plane.anonymous() as client:
        assert client.get("/desired").status_code == 401
        assert client.get("/desired", headers={"X-Volutus-Host": "x", "X-Auth-Token": "x"}).status_code == 401
        bad = Enrolment(join_token="wrong", hostname="h", csr_pem="x")
        assert client.post("/enrol", content=msgspec.json.encode(bad)).status_code == 403
    make_secrets(tmp_path / "foreign", "foreign")
    foreign = tmp_path / "foreign"
    both = tmp_path / "both.pem"
    both.write_bytes((foreign / "server.pem").read_bytes() + (foreign / "server.key").read_bytes())
    client = plane.client(both)
    with pytest.raises(httpx.TransportError):
        client.get("/desired")


def test_a_poll_hears_of_a_change_at_once(plane):
    host, client = plane.enrol("one")
    seen = msgspec.json.decode(client.get("/desired?seen=0&wait=0").content, type=Desired).generation
    raised = []

    def change():
        time.sleep(0.5)
        with plane.database.begin() as tx:
            placement.assign(tx, host, "disk", "d", DiskSpec(id="d", size_bytes=1))
        raised.append(time.monotonic())

    thread = threading.Thread(target=change)
    thread.start()
    answer = msgspec.json.decode(client.get(f"/desired?seen={seen}&wait=9").content, type=Desired)
    heard = time.monotonic()
    thread.join()
    assert [assignment.key for assignment in answer.assignments] == ["d"]
    assert heard - raised[0] < 2, "the poll was not woken, it ran out"


def test_bad_numbers_are_named(plane):
    _, client = plane.enrol("one")
    answer = client.get("/desired?seen=x")
    assert (answer.status_code, "seen" in answer.text) == (400, True)
