"""The tables of load balancers; migration 0045 makes them."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Integer, MetaData, Table, Text
from sqlalchemy.dialects.postgresql import ARRAY, INET

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
        Column("enabled", Boolean),
    )


def _below() -> Column[Any]:
    return Column("load_balancer_id", Text)


load_balancers = Table(
    "load_balancers",
    metadata,
    *_common(),
    Column("vip_network_id", Text),
    Column("vip_subnet_id", Text),
    Column("vip_port_id", Text),
    Column("vip_address", INET),
    Column("own_port", Boolean),
)
listeners = Table(
    "lb_listeners",
    metadata,
    *_common(),
    _below(),
    Column("protocol", Text),
    Column("port", Integer),
    Column("pool_id", Text),
)
pools = Table(
    "lb_pools",
    metadata,
    *_common(),
    _below(),
    Column("protocol", Text),
    Column("algorithm", Text),
    Column("persistence_timeout_s", Integer),
)
members = Table(
    "lb_members",
    metadata,
    *_common(),
    _below(),
    Column("pool_id", Text),
    Column("subnet_id", Text),
    Column("address", INET),
    Column("port", Integer),
    Column("weight", Integer),
    Column("up", Boolean),
    Column("check_host_id", Text),
)
monitors = Table(
    "lb_monitors",
    metadata,
    *_common(),
    _below(),
    Column("pool_id", Text),
    Column("type", Text),
    Column("delay_s", Integer),
    Column("timeout_s", Integer),
    Column("max_retries", Integer),
    Column("max_retries_down", Integer),
    Column("http_method", Text),
    Column("url_path", Text),
    Column("expected_codes", Text),
)
probes = Table(
    "lb_probes",
    metadata,
    _below(),
    Column("subnet_id", Text),
    Column("port_id", Text),
)
