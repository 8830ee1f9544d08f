"""What a person sees while a cloud starts and stops, and when it runs."""

import sys
import time
from typing import Any

from volutus.errors import VolutusError
from volutus.settings import Settings
from volutus.setup.progress import Progress
from volutus.supervise import control, logs
from volutus.supervise.supervisor import is_running

POLL_EVERY_S = 0.1
# After a crash PostgreSQL replays its log first; beyond this a person should look.
READY_WITHIN_S = 180.0
DOWN_WITHIN_S = 180.0
# A child that dies this often in a row will not come up by itself while someone waits.
FAILURES_MAX = 4
LOG_LINES_SHOWN = 12


class NotReady(VolutusError):
    """The cloud did not start; the message names the part, its reason and its log."""

    code = "supervise.not_ready"


def until_ready(settings: Settings, progress: Progress) -> None:
    """Return when every part is ready, showing what is waited for. Raises NotReady."""
    deadline = time.monotonic() + READY_WITHIN_S
    appeared = time.monotonic() + 10
    while True:
        answer = control.ask(settings.run_dir, {"command": "status"})
        if answer is None and time.monotonic() > appeared and not is_running(settings.run_dir):
            raise NotReady(f"the supervisor ended.{_log(settings, 'supervisor')}")
        moving = [child for child in answer["children"] if not is_ready(child)] if answer else []
        if answer and not moving:
            progress.clear()
            return
        for child in moving:
            if child["failures"] >= FAILURES_MAX or time.monotonic() > deadline:
                reason = child["why"] or child["state"]
                raise NotReady(f"{child['name']} does not start: {reason}{_log(settings, child['name'])}")
        progress.show("starting " + ", ".join(child["name"] for child in moving[:4]))
        time.sleep(POLL_EVERY_S)


def until_down(settings: Settings, progress: Progress) -> None:
    """Return when the supervisor has ended, showing what still runs."""
    deadline = time.monotonic() + DOWN_WITHIN_S
    time.sleep(POLL_EVERY_S)
    while is_running(settings.run_dir):
        if time.monotonic() > deadline:
            raise NotReady(f"still not down after {DOWN_WITHIN_S:.0f} s.{_log(settings, 'supervisor')}")
        answer = control.ask(settings.run_dir, {"command": "status"})
        left = [child["name"] for child in answer["children"] if child["pid"]] if answer else []
        progress.show("stopping " + ", ".join(left[:4]))
        time.sleep(POLL_EVERY_S)
    progress.clear()


def is_ready(child: dict[str, Any]) -> bool:
    """Whether this part does what it is for."""
    return child["state"] in ("ready", "done")


def say_how_to_use(settings: Settings, headline: str) -> None:
    """Where the cloud is and what to type next."""
    sys.stdout.write(
        f"""{headline}: {settings.url}

Use it with any OpenStack client; for a first server:

  export OS_CLIENT_CONFIG_FILE={settings.state_dir}/clouds.yaml OS_CLOUD=volutus
  openstack keypair create me > me.pem && chmod 600 me.pem
  openstack server create --image micro --flavor c1 --network private --key-name me --wait first
  ADDRESS=$(openstack floating ip create public -f value -c floating_ip_address)
  openstack server add floating ip first $ADDRESS
  ssh -i me.pem volutus@$ADDRESS

`OS_CLOUD=volutus-admin` is the administrator. Parts: `volutus status`; their logs: {settings.log_dir}
"""
    )
    sys.stdout.flush()


def table(settings: Settings, answer: dict[str, Any]) -> str:
    """All parts, one a line."""
    now = time.time()
    children = answer["children"]
    ready = sum(is_ready(child) for child in children)
    total = sum(child["memory_kib"] for child in children) + answer["memory_kib"]
    lines = [
        f"Volutus at {settings.url}: {ready} of {len(children)} parts ready, "
        f"up {_duration(now - answer['since'])}, {total / 1024:.0f} MiB of memory",
        "",
        f"  {'PART':<16}{'STATE':<10}{'PID':>8}{'FOR':>9}{'STARTED AGAIN':>15}{'MIB':>7}  WHY",
    ]
    for child in [_supervisor_row(answer), *children]:
        since = _duration(now - child["since"]) if child["pid"] else "-"
        memory = f"{child['memory_kib'] / 1024:.1f}" if child["pid"] else "-"
        lines.append(
            f"  {child['name']:<16}{child['state']:<10}{child['pid'] or '-':>8}{since:>9}"
            f"{child['restarts']:>15}{memory:>7}  {child['why']}".rstrip()
        )
    return "\n".join(lines) + "\n"


def _supervisor_row(answer: dict[str, Any]) -> dict[str, Any]:
    state = "stopping" if answer["stopping"] else "ready"
    row = {key: answer[key] for key in ("pid", "since", "memory_kib")}
    return row | {"name": "supervisor", "state": state, "restarts": 0, "why": ""}


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} d"


def _log(settings: Settings, name: str) -> str:
    lines = logs.tail(settings.log_dir, name, LOG_LINES_SHOWN)
    shown = "".join(f"\n    {line}" for line in lines)
    return f"\n  The end of {settings.log_dir}/{name}.log:{shown}" if lines else ""
