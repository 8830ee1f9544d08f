"""The tables of VPN gateways and their peers; migration 0046 makes them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, CIDR, INET

metadata = MetaData()


def _common() -> Sequence[Column[Any]]:
    return (
        Column("id", Text, primary_key=True),
        Column("project_id", Text),
        Column("name", Text),
        Column("description", Text),
        Column("tags", ARRAY(Text)),
        Column("revision", BigInteger),
        Column("created_at", DateTime(timezone=True)),
        Column("updated_at", DateTime(timezone=True)),
    )


gateways = Table(
    "vpn_gateways",
    metadata,
    *_common(),
    Column("router_id", Text),
    Column("subnet_id", Text),
    Column("port_id", Text),
    Column("floating_ip_id", Text),
    Column("listen_port", Integer),
    Column("tunnel_cidr", CIDR),
    Column("private_key", Text),
    Column("public_key", Text),
    Column("host_id", Text),
)
peers = Table(
    "vpn_peers",
    metadata,
    *_common(),
    Column("gateway_id", Text),
    Column("public_key", Text),
    Column("preshared_key", Text),
    Column("tunnel_ip", INET),
    Column("remote_cidrs", ARRAY(CIDR)),
    Column("endpoint", Text),
    Column("keepalive_s", Integer),
    Column("last_handshake_at", DateTime(timezone=True)),
)
