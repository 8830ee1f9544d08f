"""What follows from what is remembered of a guest and seen of it now. Pure."""

from dataclasses import dataclass, replace

from volutus.agent.state import GuestSeen, Record
from volutus.wire import Assignment, GuestSpec, GuestState, Power

# A guest shut down on request within this long stopped because of us; later it was its own doing.
REQUEST_FORGOTTEN_S = 120.0


@dataclass(frozen=True)
class Moment:
    """When and in which boot of the host a decision is made."""

    now: float
    boot: str


def note(record: Record, guest: GuestSeen | None, order: Assignment, moment: Moment) -> Record:
    """What to remember after a look at one guest. Calling it twice with the same sight changes nothing."""
    if guest is not None and guest.alive:
        if record.asked_at is not None and _request_is_stale(record, order, moment.now):
            record = replace(record, asked_at=None)
        return replace(record, ran=True, boot=moment.boot, halted_at=None, crashed=False)
    if not record.ran:
        return record
    if guest is not None and guest.state is GuestState.SUSPENDED:
        # Only we save guests: it did not stop by itself.
        return replace(record, ran=False, asked_at=None, halted_at=None)
    by_itself = record.asked_at is None and record.boot == moment.boot
    crashed = by_itself and guest is not None and guest.state is GuestState.CRASHED
    halted_at = order.generation if by_itself else None
    return replace(record, ran=False, asked_at=None, halted_at=halted_at, crashed=crashed)


def reboot_is_due(spec: GuestSpec, record: Record) -> bool:
    """Whether a reboot was asked for that is not caught up with."""
    return spec.hard_reboots > record.hard_done or spec.soft_reboots > record.soft_done


def should_run(order: Assignment, record: Record) -> bool:
    """Whether a guest that does not run has to be started."""
    spec = order.spec
    if not isinstance(spec, GuestSpec) or order.tombstone or spec.power in (Power.OFF, Power.SUSPENDED):
        return False
    if spec.power is Power.PAUSED:
        # What does not run cannot be held; but a reboot ordered before the pause is still to be done.
        return reboot_is_due(spec, record)
    stays = record.halted_at is not None and record.halted_at >= order.generation
    return reboot_is_due(spec, record) or not stays


def _request_is_stale(record: Record, order: Assignment, now: float) -> bool:
    spec = order.spec
    if record.asked_at is None or not isinstance(spec, GuestSpec) or spec.power is Power.OFF:
        return False
    return not reboot_is_due(spec, record) and now - record.asked_at > REQUEST_FORGOTTEN_S
