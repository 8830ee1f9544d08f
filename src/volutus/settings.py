"""Everything an operator can set, as one typed object: defaults, then the file, then `VOLUTUS_*`, then flags.

All paths derive from `state_dir`, so several clouds can live on one machine. Nothing here is read at import.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from volutus.errors import Invalid

ENVIRONMENT_PREFIX = "VOLUTUS_"
FILE_NAME = "volutus.toml"


@dataclass(frozen=True)
class Settings:
    """`listen` is ADDR:PORT of the public APIs, `agent_listen` of the agents' own (mutual TLS).
    `trust_host_header` lets agents say who they are without a certificate: for simulated hosts only.
    `simulated_hosts` above 0 runs that many hosts that exist only on paper in place of this machine.
    `pci_devices` are those of this machine that guests may have for themselves (`gpu=10de:2204`).
    `sign_in_providers` are the identity providers that the console's sign-in page offers, each as
    PROVIDER/PROTOCOL/LABEL, separated by commas.
    Numbers of 0 turn the rules on passwords and sign-ins off (`docs/operate/identity.md`).
    `image_download_hosts` are the hosts that tenants may have images fetched from, separated by commas
    (`*.example.org`, `example.org:8443`); none are reached unless named. `image_conversion` is the format
    (qcow2 or raw) that imported images of other formats become, or empty.
    `database_url` empty means the private PostgreSQL in the state directory. Fields whose metadata say
    `secret` are never shown. Payments by Stripe need both its keys, by bank transfer `bank_instructions`;
    mail needs `smtp_server` (HOST:PORT) and `mail_from`. Drives are offered by FTP at `ftp_listen`
    (ADDR:PORT), by TLS with `ftp_certificate`, a file that has the key too; `ftp_passive_ports` are those of
    data (60000-60099). This host serves volumes by iSCSI at `iscsi_listen` (ADDR:PORT).
    It sells `mhz_per_core` of each core (0: what it measures), keeps volumes in the `pools` too (directories
    in its own, with commas between) and backups in `backup_dir` (there too, or elsewhere by a whole path).
    It keeps volumes in a Ceph cluster with `rbd_pools`, storage classes and the cluster's pools
    (`ceph=volumes`); the other three say which cluster, and as whom.
    `clock_ahead_s` has a cloud for trials take the time for so much later, to see what a bill says then; it
    is never made less again."""

    state_dir: Path = Path("/var/lib/volutus")
    listen: str = "127.0.0.1:8780"
    public_url: str = ""
    agent_listen: str = "127.0.0.1:8781"
    database_url: str = field(default="", metadata={"secret": True})
    region: str = "RegionOne"
    zone: str = "nova"
    api_workers: int = 2
    api_threads: int = 8
    reconcile_threads: int = 4
    ovn_northbound: str = ""
    ovn_southbound: str = ""
    datapath_type: str = "netdev"
    pci_devices: str = ""
    external_cidr: str = "172.24.4.0/24"
    image_download_hosts: str = ""
    image_conversion: str = "qcow2"
    trust_host_header: bool = False
    simulated_hosts: int = 0
    token_lifetime_s: int = 24 * 3600
    password_history: int = 0
    password_max_age_days: int = 0
    password_min_age_days: int = 0
    password_change_on_first_use: bool = False
    password_pattern: str = ""
    password_pattern_description: str = ""
    lockout_failures: int = 10
    lockout_s: int = 300
    sign_ins_per_user_minute: int = 300
    sign_ins_per_address_minute: int = 1200
    trusted_dashboards: str = ""
    sign_in_providers: str = ""
    mhz_overcommit: float = 1.0
    memory_overcommit: float = 1.0
    stripe_url: str = "https://api.stripe.com"
    stripe_secret_key: str = field(default="", metadata={"secret": True})
    stripe_event_secret: str = field(default="", metadata={"secret": True})
    bank_instructions: str = ""
    smtp_server: str = ""
    smtp_user: str = ""
    smtp_password: str = field(default="", metadata={"secret": True})
    mail_from: str = ""
    ftp_listen: str = ""
    ftp_certificate: str = ""
    ftp_passive_ports: str = ""
    iscsi_listen: str = ""
    mhz_per_core: int = 0
    pools: str = "bulk"
    backup_dir: str = "backups"
    rbd_pools: str = ""
    ceph_conf: str = "/etc/ceph/ceph.conf"
    ceph_user: str = "volutus"
    ceph_keyring: str = "/etc/ceph/ceph.client.volutus.keyring"
    clock_ahead_s: int = 0
    log_level: str = "info"

    @property
    def dashboards(self) -> list[str]:
        """Where the browser may be sent with a token: this cloud's own console, and `trusted_dashboards`,
        URLs separated by spaces."""
        return [f"{self.url}/sign-in/token", *self.trusted_dashboards.split()]

    @property
    def url(self) -> str:
        """The origin under which clients reach all services."""
        return self.public_url.rstrip("/") or f"http://{self.listen}"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: the one set, or the private cluster by its unix socket."""
        return self.database_url or f"postgresql+psycopg://volutus@/volutus?host={self.run_dir}"

    @property
    def northbound(self) -> str:
        """OVN's northbound database: `unix:PATH` or `tcp:ADDR:PORT`."""
        return self.ovn_northbound or f"unix:{self.run_dir}/ovn/ovnnb_db.sock"

    @property
    def southbound(self) -> str:
        """OVN's southbound database, in the same form; empty when the northbound one is somebody else's and
        nobody said where its translation is."""
        if self.ovn_southbound or self.ovn_northbound:
            return self.ovn_southbound
        return f"unix:{self.run_dir}/ovn/ovnsb_db.sock"

    @property
    def run_dir(self) -> Path:
        return self.state_dir / "run"

    @property
    def log_dir(self) -> Path:
        return self.state_dir / "log"

    @property
    def secrets_dir(self) -> Path:
        return self.state_dir / "secrets"

    @property
    def image_dir(self) -> Path:
        return self.state_dir / "images"

    def shown(self) -> dict[str, str]:
        """Name to value as an operator may see it."""
        return {
            f.name: "(hidden)"
            if f.metadata.get("secret") and getattr(self, f.name)
            else str(getattr(self, f.name))
            for f in fields(self)
        }


def load(state_dir: Path | None, environ: Mapping[str, str], flags: Mapping[str, Any]) -> Settings:
    """Read the settings; the file is `state_dir/volutus.toml`. Raises Invalid naming the setting."""
    chosen = Path(state_dir or environ.get("VOLUTUS_STATE_DIR") or Settings.state_dir)
    settings = replace(Settings(), state_dir=chosen.absolute())
    path = settings.state_dir / FILE_NAME
    if path.exists():
        settings = _apply(settings, tomllib.loads(path.read_text()), str(path))
    from_environment = {
        name.removeprefix(ENVIRONMENT_PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(ENVIRONMENT_PREFIX) and name != "VOLUTUS_STATE_DIR"
    }
    settings = _apply(settings, from_environment, "the environment")
    return _apply(settings, {k: v for k, v in flags.items() if v is not None}, "the command line")


def current(state_dir: Path | None = None, **flags: Any) -> Settings:
    """The settings of this process."""
    return load(state_dir, os.environ, flags)


def _apply(settings: Settings, values: Mapping[str, Any], source: str) -> Settings:
    types = {f.name: type(getattr(settings, f.name)) for f in fields(settings)}
    changes: dict[str, Any] = {}
    for name, value in values.items():
        if name not in types:
            raise Invalid(f"{source}: there is no setting {name!r}", field=name)
        try:
            changes[name] = _boolean(value) if types[name] is bool else types[name](value)
        except (TypeError, ValueError) as error:
            raise Invalid(f"{source}: {name} should be a {types[name].__name__}", field=name) from error
    return replace(settings, **changes)


def _boolean(value: Any) -> bool:
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    if str(value).lower() not in words:
        raise ValueError(value)
    return words[str(value).lower()]
