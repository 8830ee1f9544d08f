"""An address group as northbound rows: a set of addresses for each IP version, which rules name."""

from volutus.network.ovn.model import AddressGroupView, Kind
from volutus.network.ovn.names import address_set_name
from volutus.network.ovn.rows import Key, Unit, make_row

VERSIONS = (4, 6)


def compile_address_group(view: AddressGroupView) -> Unit:
    """Both sets, also where they are empty: a rule that names a set which is not there admits nothing."""
    rows = []
    for version in VERSIONS:
        name = address_set_name(view.id, version)
        addresses = [one for one in view.addresses if (":" in one) == (version == 6)]
        rows.append(make_row("Address_Set", name, name=name, addresses=addresses))
    return Unit(Key(Kind.ADDRESS_GROUP, view.id), tuple(rows))
