"""What networks are on the wire: segments made with them, and by themselves."""

import pytest

from volutus.network.ovn import compile_view
from volutus.network.ovn.model import Kind
from volutus.network.topology import SqlTopology


def wire(kind, physical=None, number=None):
    return {
        "provider:network_type": kind,
        "provider:physical_network": physical,
        "provider:segmentation_id": number,
    }


def localnets(database, network):
    """The ports of the network's switch to physical networks, by their tags."""
    (view,) = SqlTopology(database).views(Kind.NETWORK, [network["id"]])
    rows = [row for row in compile_view(view).rows if row.columns.get("type") == ("localnet",)]
    return {row.columns["options"]["network_name"]: row.columns["tag"] for row in rows}


def segment(network, kind, physical=None, number=None, **more):
    body = {"network_id": network["id"], "network_type": kind, **more}
    return body | {"physical_network": physical, "segmentation_id": number}


def test_every_network_has_a_segment(admin, net, stranger):
    made = net.make("network")
    (own,) = admin.show(f"segments?network_id={made['id']}")
    seen = admin.show(f"networks/{made['id']}")
    assert own["segmentation_id"] == seen["provider:segmentation_id"]
    assert (own["name"], own["description"], own["network_type"]) == (None, "", "geneve")
    for path in ("segments", f"segments/{own['id']}"):
        net.refused("GET", path, 403, "PolicyNotAuthorized")
    body = {"segment": {"name": "first", "description": "of all"}}
    changed = admin.put(f"segments/{own['id']}", body)["segment"]
    assert (changed["name"], changed["revision_number"]) == ("first", own["revision_number"] + 1)
    admin.refused("PUT", f"segments/{own['id']}", 400, "InvalidInput", {"segment": {"segmentation_id": 9}})
    # A number that an operator chose is nobody's after that.
    taken = own["segmentation_id"] + 1
    admin.make("segment", **segment(made, "geneve", number=taken))
    (other,) = admin.show(f"segments?network_id={net.make('network')['id']}")
    assert other["segmentation_id"] == taken + 1
    admin.refused(
        "POST",
        "segments",
        409,
        "FlatNetworkInUse",
        {"segment": segment(other | {"id": made["id"]}, "geneve", number=taken)},
    )
    net.delete(f"networks/{made['id']}")
    assert admin.show(f"segments?network_id={made['id']}") == []


def test_segments_are_ports_to_physical_networks(admin, database):
    both = [wire("vlan", "physnet1", 20), wire("flat", "physnet2")]
    made = admin.make("network", segments=both)
    assert made["segments"] == both
    assert "provider:network_type" not in made
    assert (made["mtu"], localnets(database, made)) == (1500, {"physnet1": (20,), "physnet2": ()})
    third = admin.make("segment", **segment(made, "vlan", "physnet3", 30, name="third"))
    assert localnets(database, made)["physnet3"] == (30,)
    first = admin.show(f"segments?network_id={made['id']}&physical_network=physnet1")[0]
    admin.delete(f"segments/{first['id']}")
    assert localnets(database, made) == {"physnet2": (), "physnet3": (30,)}
    admin.delete(f"segments/{third['id']}")
    shown = admin.show(f"networks/{made['id']}")
    assert {name: shown[name] for name in both[1]} == both[1]
    # The VLAN is free for another network, the flat one is not.
    admin.make("network", **both[0])
    refused = admin.refused("POST", "networks", 409, "FlatNetworkInUse", {"network": both[1]})
    assert "has a flat network already" in refused
    (last,) = admin.show(f"segments?network_id={made['id']}")
    admin.refused("DELETE", f"segments/{last['id']}", 409, "SegmentInUse")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (("vlan", "physnet1", 21), "the same wire"),
        (("geneve", None, 5), "either an overlay"),
        (("vlan", "physnet2", 0), "from 1 to 4094"),
        (("flat", None, None), "physical_network required"),
        (("vxlan", None, 5), "not supported"),
    ],
)
def test_segments_that_ovn_could_not_carry_out(admin, wanted, says):
    made = admin.make("network", **wire("vlan", "physnet1", 20))
    refused = admin.refused("POST", "segments", 400, "InvalidInput", {"segment": segment(made, *wanted)})
    assert says in refused
    both = [wire("vlan", "physnet1", 22), wire(*wanted)]
    assert says in admin.refused("POST", "networks", 400, "InvalidInput", {"network": {"segments": both}})


def test_subnets_say_of_which_segment_they_are(admin):
    made = admin.make("network", **wire("vlan", "physnet1", 20))
    (own,) = admin.show(f"segments?network_id={made['id']}")
    bound = admin.subnet(made, segment_id=own["id"])
    assert admin.show(f"subnets?segment_id={own['id']}")[0]["id"] == bound["id"]
    more = {"network_id": made["id"], "ip_version": 4, "cidr": "10.0.1.0/24"}
    for segment_id, error in ((None, "SubnetsNotAllAssociatedWithSegments"), ("none", "InvalidInput")):
        admin.refused("POST", "subnets", 400, error, {"subnet": more | {"segment_id": segment_id}})
    # Addresses would have to be given out by what segment a host is on.
    body = {"segment": segment(made, "flat", "physnet2")}
    assert "addresses" in admin.refused("POST", "segments", 400, "InvalidInput", body)
    admin.refused("DELETE", f"segments/{own['id']}", 409, "SegmentInUse")
    several = admin.make("network", segments=[wire("flat", "physnet3"), wire("flat", "physnet4")])
    (one, _) = admin.show(f"segments?network_id={several['id']}")
    body = {"subnet": more | {"network_id": several["id"], "segment_id": one["id"]}}
    assert "no other" in admin.refused("POST", "subnets", 400, "InvalidInput", body)
    admin.refused("PUT", f"subnets/{bound['id']}", 400, "InvalidInput", {"subnet": {"segment_id": None}})
