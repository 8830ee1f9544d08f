"""Keystone's envelope for failures: `{"error": {"code", "title", "message"}}`."""

from volutus.http.kernel import FaultTable, openstack_fault

FAULTS = FaultTable(openstack_fault)
