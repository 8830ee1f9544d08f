"""What every cloud starts with: the default domain, roles, the first users and projects, the catalog.

Idempotent, so that it also brings what a newer version adds. Passwords are set only on users it makes: an
operator's later change stays.
"""

from dataclasses import dataclass

from sqlalchemy import text

from volutus import audit
from volutus.db import Tx
from volutus.identity import password_history
from volutus.identity.caller import CLOUD
from volutus.identity.parts import Identity
from volutus.identity.passwords import Passwords

DEFAULT_DOMAIN_ID = "default"
ROLES = ("admin", "manager", "member", "reader", "service")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
# Type, name, path below the origin. Volume is offered under the type of today and the one clients of
# before 2024 look for.
SERVICES = (
    ("identity", "keystone", "/identity"),
    ("compute", "nova", "/compute/v2.1"),
    ("network", "neutron", "/network"),
    ("load-balancer", "octavia", "/load-balancer"),
    ("image", "glance", "/image"),
    ("placement", "placement", "/placement"),
    ("billing", "billing", "/billing/v1"),
    ("operations", "operations", "/operations/v1"),
    ("block-storage", "cinder", "/volume/v3/$(project_id)s"),
    ("volumev3", "cinderv3", "/volume/v3/$(project_id)s"),
)
INTERFACES = ("public", "internal", "admin")

_DOMAIN = text("""
INSERT INTO identity_domain (id, name, description, created_at)
VALUES (:id, 'Default', 'The default domain', :now) ON CONFLICT DO NOTHING
""")
_ROLE = text("INSERT INTO identity_role (id, name) VALUES (:id, :name) ON CONFLICT DO NOTHING")
_IMPLY = text("""
INSERT INTO identity_implied_role (prior_id, implied_id)
SELECT p.id, i.id FROM identity_role p, identity_role i
WHERE p.name = :prior AND i.name = :implied AND p.domain_id IS NULL AND i.domain_id IS NULL
ON CONFLICT DO NOTHING
""")
_PROJECT = text("""
INSERT INTO identity_project (id, domain_id, name, description, created_at)
VALUES (:id, :domain_id, :name, :description, :now) ON CONFLICT (domain_id, name) DO NOTHING
""")
_USER_ID = text("SELECT id FROM identity_user WHERE domain_id = :domain_id AND name = :name LIMIT 1")
_PROJECT_ID = text("SELECT id FROM identity_project WHERE domain_id = :domain_id AND name = :name LIMIT 1")
_USER = text("""
INSERT INTO identity_user (id, domain_id, name, password_hash, password_changed_at, created_at)
VALUES (:id, :domain_id, :name, :password_hash, :now, :now) ON CONFLICT DO NOTHING
""")
_ASSIGN = text("""
INSERT INTO identity_assignment (role_id, user_id, project_id)
SELECT r.id, u.id, p.id FROM identity_role r, identity_user u, identity_project p
WHERE r.name = :role AND r.domain_id IS NULL AND u.name = :user AND u.domain_id = :domain_id
    AND p.name = :project AND p.domain_id = :domain_id
ON CONFLICT DO NOTHING
""")
_ASSIGN_SYSTEM = text("""
INSERT INTO identity_assignment (role_id, user_id, system)
SELECT r.id, u.id, true FROM identity_role r, identity_user u
WHERE r.name = 'admin' AND r.domain_id IS NULL AND u.name = 'admin' AND u.domain_id = :domain_id
ON CONFLICT DO NOTHING
""")
_ASSIGN_DOMAIN = text("""
INSERT INTO identity_assignment (role_id, user_id, domain_id)
SELECT r.id, u.id, :domain_id FROM identity_role r, identity_user u
WHERE r.name = 'admin' AND r.domain_id IS NULL AND u.name = 'admin' AND u.domain_id = :domain_id
ON CONFLICT DO NOTHING
""")
_REGION = text("INSERT INTO identity_region (id) VALUES (:id) ON CONFLICT DO NOTHING")
_SERVICE = text("""
INSERT INTO identity_service (id, type, name) SELECT :id, :type, :name
WHERE NOT EXISTS (SELECT FROM identity_service WHERE type = :type)
""")
_ENDPOINT = text("""
INSERT INTO identity_endpoint (id, service_id, region_id, interface, url)
SELECT :id, s.id, :region, :interface, :url FROM identity_service s
WHERE s.type = :type AND NOT EXISTS (
    SELECT FROM identity_endpoint e
    WHERE e.service_id = s.id AND e.region_id = :region AND e.interface = :interface)
""")


@dataclass(frozen=True)
class Beginnings:
    """What the operator decides: the region's name and the first two users' passwords."""

    region: str
    admin_password: str
    demo_password: str


@dataclass(frozen=True)
class Made:
    """Ids of the first users and projects, for whoever gives them networks and quotas."""

    admin_user_id: str
    admin_project_id: str
    demo_user_id: str
    demo_project_id: str


def bootstrap(tx: Tx, identity: Identity, beginnings: Beginnings) -> Made:
    """Make what is missing, the keys too."""
    identity.token_keys.ensure()
    identity.vault.ensure()
    tx.execute(_DOMAIN, {"id": DEFAULT_DOMAIN_ID, "now": tx.now})
    for role in ROLES:
        tx.execute(_ROLE, {"id": tx.ids.hex(), "name": role})
    for prior, implied in IMPLIED:
        tx.execute(_IMPLY, {"prior": prior, "implied": implied})
    _people(tx, identity.passwords, beginnings)
    _services(tx, beginnings.region)
    audit.record(tx, CLOUD, "bootstrap", "identity.domain", DEFAULT_DOMAIN_ID)
    return _made(tx)


def _people(tx: Tx, passwords: Passwords, beginnings: Beginnings) -> None:
    where = {"domain_id": DEFAULT_DOMAIN_ID, "now": tx.now}
    for name, description in (("admin", "For the cloud's operators"), ("demo", "The first project")):
        tx.execute(_PROJECT, {**where, "id": tx.ids.hex(), "name": name, "description": description})
    for name, password in (("admin", beginnings.admin_password), ("demo", beginnings.demo_password)):
        if tx.row(_USER_ID, where | {"name": name}) is None:
            hashed = passwords.hash(password)
            user_id = tx.ids.hex()
            tx.execute(_USER, {**where, "id": user_id, "name": name, "password_hash": hashed})
            password_history.keep(tx, passwords.rules, user_id, hashed, self_service=False)
    for user, project, role in (
        ("admin", "admin", "admin"),
        ("admin", "demo", "admin"),
        ("demo", "demo", "member"),
    ):
        tx.execute(_ASSIGN, {**where, "user": user, "project": project, "role": role})
    tx.execute(_ASSIGN_SYSTEM, {"domain_id": DEFAULT_DOMAIN_ID})
    tx.execute(_ASSIGN_DOMAIN, {"domain_id": DEFAULT_DOMAIN_ID})


def _made(tx: Tx) -> Made:
    found = [
        str(tx.value(statement, {"domain_id": DEFAULT_DOMAIN_ID, "name": name}))
        for name in ("admin", "demo")
        for statement in (_USER_ID, _PROJECT_ID)
    ]
    return Made(*found)


def _services(tx: Tx, region: str) -> None:
    tx.execute(_REGION, {"id": region})
    for kind, name, path in SERVICES:
        tx.execute(_SERVICE, {"id": tx.ids.hex(), "type": kind, "name": name})
        for interface in INTERFACES:
            endpoint = {"id": tx.ids.hex(), "region": region, "interface": interface, "url": path}
            tx.execute(_ENDPOINT, {**endpoint, "type": kind})
