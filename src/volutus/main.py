"""Builds every object and passes it on: the only place that knows which parts make a cloud."""

import gc
import socket
import ssl
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from volutus import billing, compute, image, network
from volutus.billing.providers import Provider
from volutus.billing.providers.bank import BankTransfer
from volutus.billing.providers.stripe import Stripe, StripeKeys
from volutus.clock import Clock, SystemClock
from volutus.console import IdentityProvider, mount
from volutus.db import Database
from volutus.errors import Invalid
from volutus.http import agent, relay
from volutus.http.agent.trust import CertificateProtocol
from volutus.http.direct import DirectProtocol
from volutus.http.kernel import Dialect, Kernel, Plane
from volutus.http.kernel.plane import Authenticator
from volutus.http.listening import SharingServer
from volutus.http.openstack import billing as billing_dialect
from volutus.http.openstack import compute as compute_dialect
from volutus.http.openstack import identity as identity_dialect
from volutus.http.openstack import image as image_dialect
from volutus.http.openstack import loadbalancer as loadbalancer_dialect
from volutus.http.openstack import network as network_dialect
from volutus.http.openstack import operations as operations_dialect
from volutus.http.openstack import placement as placement_dialect
from volutus.http.openstack import volume as volume_dialect
from volutus.http.paid import PaidGate
from volutus.identity import Beginnings, Policy, open_identity
from volutus.identity import bootstrap as bootstrap_identity
from volutus.ids import Ids
from volutus.image import IMPORT_FORMATS, ImageCollector, ImageImporter, ImageStore, ImportRules, Reach
from volutus.imagebuild.built import read_built
from volutus.network.ovn.client import OvsdbClient
from volutus.network.ovn.memory import MemoryNorthbound
from volutus.network.ovn.northbound import Northbound
from volutus.network.ovn.ovsdb import OvsdbNorthbound
from volutus.network.reconcilers import reconcilers as network_reconcilers
from volutus.network.trace import Tracer
from volutus.reconcile import Reconciler, Worker
from volutus.settings import Settings
from volutus.setup import console_assets, first_image, keys
from volutus.volume import BackupReconciler, ScheduleReconciler, UploadReconciler, VolumeReconciler
from volutus.volume import keys as keys_of_volumes

# An operator's own rules, read after ours.
POLICY_OVERRIDE = "policy.toml"
# Long polls would hold a stopping process for their whole wait; agents simply ask again.
STOP_WITHIN_S = 3
# What libraries load by name when they are first used.
_BY_NAME = (
    "sqlalchemy.dialects.postgresql.psycopg",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.wsproto_impl",
)
# The northbound database of a cloud whose hosts are simulated: there is nobody to carry it out.
NO_NORTHBOUND = "memory"


def dialects() -> list[Dialect]:
    """What the public port speaks."""
    return [
        identity_dialect.dialect(),
        image_dialect.dialect(),
        network_dialect.dialect(),
        loadbalancer_dialect.dialect(),
        *volume_dialect.dialects(),
        compute_dialect.dialect(),
        compute_dialect.discovery(),
        placement_dialect.dialect(),
        billing_dialect.dialect(),
        operations_dialect.dialect(),
    ]


def policy(settings: Settings) -> Policy:
    """The permissions of all dialects, overridden by the operator's `policy.toml` in the state directory."""
    override = settings.state_dir / POLICY_OVERRIDE
    return Policy.from_files([*_policy_files(), *([override] if override.exists() else [])])


def shipped_policy() -> Policy:
    """The permissions as this version ships them."""
    return Policy.from_files(_policy_files())


def _policy_files() -> list[Path]:
    http = Path(str(files("volutus.http")))
    return [*sorted(http.glob("openstack/*/policy.toml")), http / "agent" / "policy.toml"]


def plane(
    settings: Settings, database: Database, clock: Clock, ids: Ids, authenticator: Authenticator | None = None
) -> Plane:
    """What handlers reach; tokens are the identity service's unless another authenticator is given."""
    identity = open_identity(settings)
    parts = {
        "identity": identity,
        "images": ImageStore(settings.image_dir),
        "image_imports": import_rules(settings),
        "providers": payment_providers(settings),
        "tracer": Tracer(settings.southbound),
        "volume_keys": keys_of_volumes.Sealer(settings.secrets_dir),
    }
    asked = authenticator or identity.tokens
    return Plane(settings, database, clock, ids, policy(settings), asked, parts, PaidGate())


def payment_providers(settings: Settings) -> dict[str, Provider]:
    """By whom tenants can pay: those that an operator set up."""
    found: list[Provider] = []
    if settings.stripe_secret_key and settings.stripe_event_secret:
        stripe = StripeKeys(settings.stripe_secret_key, settings.stripe_event_secret)
        found.append(Stripe(stripe, settings.stripe_url))
    if settings.bank_instructions:
        found.append(BankTransfer(settings.bank_instructions))
    return {provider.name: provider for provider in found}


def import_rules(settings: Settings) -> ImportRules:
    """From where images are fetched, and what they become."""
    if settings.image_conversion not in IMPORT_FORMATS:
        raise Invalid(f"image_conversion is one of {', '.join(IMPORT_FORMATS)}", field="image_conversion")
    hosts = tuple(one.strip() for one in settings.image_download_hosts.split(",") if one.strip())
    own = urlsplit(settings.url).hostname
    return ImportRules(Reach(hosts, (own,) if own else ()), settings.image_conversion)


def front(settings: Settings, served: Plane) -> ASGIApp:
    """What the public port answers: the APIs, and the console before them."""
    return mount(
        Kernel(served, dialects(), relay.routes()),
        settings.secrets_dir / "fernet",
        console_assets.directory(settings),
        settings.region,
        IdentityProvider.listed(settings.sign_in_providers, settings.url),
    )


def reconcilers(settings: Settings, database: Database, northbound: Northbound) -> list[Reconciler]:
    """All kinds of long work."""
    store = ImageStore(settings.image_dir)
    return [
        compute.ServerReconciler(database),
        VolumeReconciler(database),
        UploadReconciler(database),
        BackupReconciler(database),
        ScheduleReconciler(database),
        *network_reconcilers(database, northbound, database.clock),
        ImageCollector(database, store),
        ImageImporter(database, store, import_rules(settings)),
        billing.CycleReconciler(database, compute.end_usage_of_silent),
        billing.CheckoutReconciler(database, payment_providers(settings), settings.url),
        *_mailers(settings, database),
        billing.UpkeepReconciler(
            database,
            billing.Enforcement(compute.projects.stop, compute.projects.start, compute.projects.remove),
            compute.unreachable,
        ),
    ]


def _mailers(settings: Settings, database: Database) -> list[Reconciler]:
    """Mail goes out where an operator said through which server."""
    if not settings.smtp_server or not settings.mail_from:
        return []
    server = billing.MailServer(
        settings.smtp_server, settings.mail_from, settings.smtp_user, settings.smtp_password
    )
    return [billing.MailReconciler(database, server)]


def load_all() -> None:
    """Load what all parts of the control plane use, before they are forked from this process."""
    for name in _BY_NAME:
        import_module(name)
    _keep_what_was_loaded()


def upgrade_database(settings: Settings) -> None:
    """Bring the schema to this version."""
    # Only here: Alembic takes 8 MiB, which none of the processes that serve needs.
    from volutus.db.migrate import upgrade

    database = _database(settings, 2)
    upgrade(database)
    database.close()


def bootstrap(settings: Settings) -> None:
    """Make what every cloud has: the first users and projects, flavors, networks and the image `micro`. What
    is there already stays as it is."""
    database = _database(settings, 2)
    with database.begin() as tx:
        made = bootstrap_identity(tx, open_identity(settings), _beginnings(settings))
        compute.bootstrap(tx)
        billing.bootstrap(tx, settings.region)
        network.bootstrap(
            tx, network.FirstNetworks(made.admin_project_id, made.demo_project_id, settings.external_cidr)
        )
        manifest = first_image.directory(settings) / first_image.NAME / f"{first_image.NAME}.manifest.json"
        if manifest.exists():
            store = ImageStore(settings.image_dir)
            image.register_built(tx, store, read_built(manifest), made.admin_project_id)
    database.close()


def run_api(settings: Settings, fd: int) -> None:
    """Answer the public APIs on an inherited listening socket."""
    database = _database(settings, settings.api_threads)
    served = plane(settings, database, _clock(settings), Ids())
    _serve(settings, front(settings, served), fd)


def run_agents_api(settings: Settings, fd: int) -> None:
    """Answer agents on an inherited listening socket, with mutual TLS unless hosts are trusted by header."""
    database = _database(settings, settings.api_threads)
    served = plane(settings, database, _clock(settings), Ids(), agent.HostAuthenticator())
    # Hosts look at certificates by the machine's clock, whatever the cloud's is.
    served.parts["authority"] = agent.Authority.load(settings.secrets_dir, SystemClock())
    served.parts["heartbeats"] = agent.Heartbeats(database)
    served.parts["bell"] = agent.HostBell(settings.database)
    dialect = agent.dialect(trust_host_header=settings.trust_host_header)
    app = Kernel(served, [dialect])
    _serve(settings, app, fd, protocol=CertificateProtocol, encrypted=not settings.trust_host_header)


def run_reconcile(settings: Settings) -> None:
    """Converge until the process is told to end."""
    database = _database(settings, settings.reconcile_threads + 2)
    kinds = reconcilers(settings, database, _northbound(settings))
    _keep_what_was_loaded()
    Worker(database, kinds, settings.reconcile_threads).run()


def _beginnings(settings: Settings) -> Beginnings:
    return Beginnings(settings.region, keys.password(settings, "admin"), keys.password(settings, "demo"))


def _northbound(settings: Settings) -> Northbound:
    if settings.ovn_northbound == NO_NORTHBOUND:
        return MemoryNorthbound()
    clock = SystemClock()
    southbound = (
        OvsdbClient(settings.southbound, clock, database="OVN_Southbound") if settings.southbound else None
    )
    return OvsdbNorthbound(OvsdbClient(settings.northbound, clock), southbound)


def _database(settings: Settings, pool_size: int) -> Database:
    return Database(settings.database, _clock(settings), Ids(), pool_size=pool_size)


def _clock(settings: Settings) -> Clock:
    return SystemClock(settings.clock_ahead_s)


def _keep_what_was_loaded() -> None:
    """Programs and tables stay as long as the process: looking through them for garbage costs a tenth of the
    CPU of a request and finds nothing."""
    gc.collect()
    gc.freeze()


def _serve(
    settings: Settings,
    app: ASGIApp,
    fd: int,
    *,
    protocol: type[HttpToolsProtocol] = DirectProtocol,
    encrypted: bool = False,
) -> None:
    """Answer HTTP on the socket until the process is told to end. A client certificate is asked for, not
    required: enrolment comes without one, everything else is refused by the authenticator."""
    config = uvicorn.Config(
        app,
        # It logs connections with their paths, and a console's path has its token.
        log_level="warning",
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none" if encrypted else "wsproto",
        loop="uvloop",
        http=protocol,
        ssl_certfile=settings.secrets_dir / "server.pem" if encrypted else None,
        ssl_keyfile=settings.secrets_dir / "server.key" if encrypted else None,
        ssl_ca_certs=str(settings.secrets_dir / "ca.pem") if encrypted else None,
        timeout_graceful_shutdown=STOP_WITHIN_S,
        ssl_cert_reqs=ssl.CERT_OPTIONAL if encrypted else ssl.CERT_NONE,
    )
    _keep_what_was_loaded()
    SharingServer(config).run(sockets=[socket.socket(fileno=fd)])
