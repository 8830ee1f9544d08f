"""What is asked of a guest once, and the answers until they are told."""

import logging
import threading

from volutus.agent.faults import HostFault
from volutus.agent.hypervisor import Hypervisor
from volutus.wire import CommandAnswer, CommandKind, GuestCommand

log = logging.getLogger(__name__)


class Commands:
    """`obey` may run in several threads; the rest is the deciding thread's."""

    def __init__(self, hypervisor: Hypervisor) -> None:
        self._hypervisor = hypervisor
        self._lock = threading.Lock()
        self._answers: dict[str, CommandAnswer] = {}
        self._telling: list[CommandAnswer] = []

    def obey(self, command: GuestCommand) -> None:
        """Do what is asked; what came of it goes with the next report."""
        fault = None
        try:
            match command.kind:
                case CommandKind.SET_PASSWORD:
                    self._hypervisor.set_password(command.guest_id, command.user, command.password)
                case CommandKind.INJECT_NMI:
                    self._hypervisor.inject_nmi(command.guest_id)
        except HostFault as trouble:
            log.warning("%s of %s: %s", command.kind.value, command.guest_id, trouble)
            fault = trouble.message
        with self._lock:
            self._answers[command.id] = CommandAnswer(id=command.id, fault=fault)

    def has_news(self) -> bool:
        """Whether there are answers to tell."""
        return bool(self._answers)

    def answers(self) -> list[CommandAnswer]:
        """What the next report says."""
        with self._lock:
            self._telling = list(self._answers.values())
        return self._telling

    def told(self) -> None:
        """The report arrived."""
        with self._lock:
            for answer in self._telling:
                self._answers.pop(answer.id, None)
