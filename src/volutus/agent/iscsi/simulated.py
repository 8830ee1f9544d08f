# ruff: noqa: ARG002  (a twin takes all arguments of the protocol and needs few)
"""Exports that are only pretended: same protocol, no daemon."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor.simulated import never
from volutus.agent.storage import DiskLocation, Keys
from volutus.wire import ExportSpec


@dataclass
class SimulatedExports:
    """`trouble` is called before each change with its name and may raise HostFault."""

    trouble: Callable[[str], None] = never
    _served: dict[str, ExportSpec | None] = field(default_factory=dict)

    def exports(self) -> dict[str, ExportSpec | None]:
        return dict(self._served)

    def serve(self, spec: ExportSpec, location: DiskLocation, keys: Keys) -> None:
        self.trouble("serve")
        self._served[spec.id] = spec

    def copy_disk(self, export_id: str, target: Path, *, encrypted: bool) -> None:
        self.trouble("copy_disk")
        if export_id not in self._served:
            raise HostFault("The exported disk could not be copied.")

    def drop(self, export_id: str) -> None:
        self.trouble("drop")
        self._served.pop(export_id, None)

    def end(self) -> None:
        """The daemons died, or the host did: they come back knowing nothing."""
        self._served.clear()
