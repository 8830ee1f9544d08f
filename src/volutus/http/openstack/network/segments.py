"""`/v2.0/segments`: what networks are on the wire."""

from volutus.http.openstack.network import views
from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import SegmentBody
from volutus.network import segments
from volutus.network.segments import SegmentChanges, SegmentOrder

SEGMENTS = Resource(
    noun="segment",
    plural="segments",
    verbs=segments,
    change_verb=segments.change,
    body=SegmentBody,
    order=SegmentOrder,
    changes=SegmentChanges,
    names={
        "name": "name",
        "network_id": "network_id",
        "network_type": "network_type",
        "physical_network": "physical_network",
        "segmentation_id": "segmentation_id",
    },
    required=("network_id", "network_type"),
    fixed=("network_id", "network_type", "physical_network", "segmentation_id"),
    own_view=views.segment,
)
