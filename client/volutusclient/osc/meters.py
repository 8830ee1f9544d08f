"""What metering labels have counted."""

from typing import Any

from osc_lib import exceptions
from osc_lib.command import command

from volutusclient.osc.base import network_words, shown


class ShowMeterUsage(command.ShowOne):
    """Bytes and packets that a network meter counted"""

    def get_parser(self, prog_name: str) -> Any:
        parser = super().get_parser(prog_name)
        parser.add_argument("meter", help="The meter (name or ID)")
        parser.add_argument("--since", metavar="TIME", help="From this time on (a day ago)")
        parser.add_argument("--until", metavar="TIME", help="Before this time (now)")
        return parser

    def take_action(self, parsed: Any) -> Any:
        network = self.app.client_manager.network
        label = network.find_metering_label(parsed.meter, ignore_missing=False)
        asked = {"since": parsed.since, "until": parsed.until}
        query = {name: value for name, value in asked.items() if value is not None}
        answer = network.get(f"/metering/metering-labels/{label.id}/usage", params=query)
        if not answer.ok:
            raise exceptions.CommandError(network_words(answer))
        return shown(answer.json()["usage"])
