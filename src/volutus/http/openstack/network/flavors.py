"""`/v2.0/flavors` and `/v2.0/service_profiles`: what routers are to be had, and who provides them."""

from starlette.responses import Response

from volutus.http.kernel import Request, created, no_content
from volutus.http.openstack.network.bodies import read_one
from volutus.http.openstack.network.resources import Resource
from volutus.http.openstack.network.schemas import FlavorBody, ProfileReference, ServiceProfileBody
from volutus.network import flavors, service_profiles
from volutus.network.flavors import FlavorChanges, FlavorOrder
from volutus.network.service_profiles import ServiceProfileChanges, ServiceProfileOrder

FLAVORS = Resource(
    noun="flavor",
    plural="flavors",
    verbs=flavors,
    change_verb=flavors.change,
    body=FlavorBody,
    order=FlavorOrder,
    changes=FlavorChanges,
    names={
        "name": "name",
        "service_type": "service_type",
        "enabled": "enabled",
        "service_profiles": "profile_ids",
    },
    required=("service_type",),
    fixed=("service_type",),
    hidden=("service_profiles",),
    plain=True,
)
PROFILES = Resource(
    noun="service_profile",
    plural="service_profiles",
    verbs=service_profiles,
    change_verb=service_profiles.change,
    body=ServiceProfileBody,
    order=ServiceProfileOrder,
    changes=ServiceProfileChanges,
    names={"driver": "driver", "enabled": "enabled", "metainfo": "meta_info"},
    hidden=("metainfo",),
    plain=True,
)


def add_profile(request: Request) -> Response:
    profile_id = read_one(request, "service_profile", ProfileReference).id
    flavors.add_profile(request.tx, request.caller, request.params["id"], profile_id)
    return created({"service_profile": {"id": profile_id}})


def remove_profile(request: Request) -> Response:
    flavors.remove_profile(request.tx, request.caller, request.params["id"], request.params["profile_id"])
    return no_content()
