"""`/v2.0/metering`: labels, the rules of what they count, and what was counted."""

from datetime import UTC, datetime

from starlette.responses import Response

from volutus.http.kernel import Request, document
from volutus.http.openstack.network import views
from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import MeteringLabelBody, MeteringLabelRuleBody
from volutus.network import metering_label_rules, metering_labels
from volutus.network.errors import InvalidInput
from volutus.network.metering_label_rules import MeteringLabelRuleOrder
from volutus.network.metering_labels import MeteringLabelOrder

LABELS = Resource(
    noun="metering_label",
    plural="metering_labels",
    verbs=metering_labels,
    body=MeteringLabelBody,
    order=MeteringLabelOrder,
    names={"name": "name", "shared": "every_project"},
    own_view=views.metering_label,
)
RULES = Resource(
    noun="metering_label_rule",
    plural="metering_label_rules",
    verbs=metering_label_rules,
    body=MeteringLabelRuleBody,
    order=MeteringLabelRuleOrder,
    required=("metering_label_id",),
    names={
        "metering_label_id": "label_id",
        "direction": "direction",
        "remote_ip_prefix": "remote_prefix",
        "source_ip_prefix": "source_prefix",
        "destination_ip_prefix": "destination_prefix",
        "excluded": "excluded",
    },
    own_view=views.metering_label_rule,
)


def usage(request: Request) -> Response:
    """What a label counted `since` a time and `until` another."""
    since, until = (_time(request, name) for name in ("since", "until"))
    found = metering_labels.usage(request.tx, request.caller, request.params["id"], since, until)
    return document({"usage": views.label_usage(found)})


def _time(request: Request, name: str) -> datetime | None:
    value = request.query.get(name)
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        raise InvalidInput(f"'{value}' is not a valid time.", field=name) from None
    return read if read.tzinfo else read.replace(tzinfo=UTC)
