"""Which processes make up one cloud on this machine, in which order, and how each is known to be ready."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import volutus
from volutus.settings import Settings
from volutus.supervise import iscsi, libvirt, postgres, switch
from volutus.supervise.child import Child, Guests, Plan
from volutus.supervise.sockets import accepts, answers_http

# Requests under way may finish; long polls would hold on for longer, and lose nothing by being cut.
_FINISH_WITHIN_S = 3.0


def plan(settings: Settings) -> Plan:
    """The children for these settings: a database or an OVN that is somebody else's is left out."""
    real_host = settings.simulated_hosts == 0
    children: list[Child] = []
    if not settings.database_url:
        children.append(postgres.child(settings))
    if not settings.ovn_northbound:
        children.extend(switch.central_children(settings))
    if real_host:
        children.extend(switch.switch_children(settings))
        children.append(libvirt.child(settings))
        if settings.iscsi_listen:
            children.append(iscsi.child(settings, _python_environment()))
    children.extend(_control_plane(settings))
    children.append(_agent(settings))
    present = {child.name for child in children}
    return Plan(
        children=tuple(_without_absent(child, present) for child in children),
        run_dir=settings.run_dir,
        log_dir=settings.log_dir,
        ending_guests=_ending_guests(settings) if real_host else {},
        clean_up=lambda: switch.close_external_network(settings) if real_host else None,
    )


def _control_plane(settings: Settings) -> tuple[Child, ...]:
    server = settings.run_dir / "forkserver.sock"

    def part(name: str, *words: str, after: tuple[str, ...], listens: str | None = None) -> Child:
        return Child(
            name=name,
            argv=("--state-dir", str(settings.state_dir), "control", *words),
            environment=_python_environment(),
            forked_at=server,
            umask=0o077,
            after=("forkserver", *after),
            listens=listens,
            once=name == "prepare",
            stop_timeout_s=_FINISH_WITHIN_S,
            # A socket is inherited, not found again: these start anew under a new supervisor, in a moment.
            adoptable=False,
            ready=(lambda: answers_http(settings.listen)) if listens == settings.listen else lambda: True,
        )

    loaded = Child(
        name="forkserver",
        argv=(*_volutus(settings), "control", "forkserver", "--socket", str(server)),
        environment=_python_environment(),
        umask=0o077,
        prepare=lambda: server.unlink(missing_ok=True),
        ready=lambda: accepts(server),
        # What it has loaded may be an older version.
        adoptable=False,
    )
    workers = tuple(
        part(f"api-{number}", "api", "--fd", "{fd}", after=("prepare",), listens=settings.listen)
        for number in range(1, settings.api_workers + 1)
    )
    ftp = (part("ftp", "ftp", after=("api-1",)),) if settings.ftp_listen else ()
    return (
        loaded,
        part("prepare", "prepare", after=("postgres",)),
        *workers,
        part("agents", "agents", "--fd", "{fd}", after=("prepare",), listens=settings.agent_listen),
        part("reconcile", "reconcile", after=("prepare", "ovn-northbound")),
        *ftp,
    )


def _agent(settings: Settings) -> Child:
    simulated = ("--simulated", str(settings.simulated_hosts)) if settings.simulated_hosts else ()
    # The file by which the agent says that guests may be placed here. Simulated hosts have none.
    told = settings.state_dir / "agent" / "ready"
    return Child(
        name="agent",
        argv=(*_volutus(settings), "agent", "--config", f"{settings.state_dir}/agent/agent.toml", *simulated),
        environment=_python_environment() | switch.environment(settings),
        after=("agents", "libvirtd", "iscsi", "ovn-controller"),
        prepare=lambda: told.unlink(missing_ok=True),
        ready=told.exists if not settings.simulated_hosts else lambda: True,
    )


def _ending_guests(settings: Settings) -> dict[Guests, Child]:
    def agent(word: str) -> Child:
        return Child(
            name="stop-guests",
            argv=(*_volutus(settings), "agent", word),
            environment=_python_environment(),
            after=("libvirtd",),
            once=True,
        )

    return {Guests.STOPPED: agent("--stop-guests"), Guests.KILLED: agent("--kill-guests")}


def _volutus(settings: Settings) -> tuple[str, ...]:
    return (sys.executable, "-m", "volutus", "--state-dir", str(settings.state_dir))


def _python_environment() -> dict[str, str]:
    """The package is found where the supervisor found it. Few arenas keep many threads' memory small; a fixed
    threshold has large blocks (hashing a password, a long list) given back when they are freed."""
    inherited = {name: value for name, value in os.environ.items() if name.startswith("VOLUTUS_")}
    return inherited | {
        "PYTHONPATH": str(Path(volutus.__file__).parent.parent),
        "PYTHONSAFEPATH": "1",
        "MALLOC_ARENA_MAX": "2",
        "MALLOC_MMAP_THRESHOLD_": str(256 << 10),
    }


def _without_absent(child: Child, present: set[str]) -> Child:
    return replace(child, after=tuple(name for name in child.after if name in present))
