"""What billing starts with in a new cloud: its region, in showback, and a price list to begin with.

Nobody owes money before an operator says so; but from the first cycle on everybody can see what things cost.
"""

from dataclasses import replace
from importlib.resources import files

from volutus.billing import accounts, price_files, prices
from volutus.billing.prices import Edition
from volutus.db import Tx
from volutus.identity.caller import CLOUD

FIRST_LIST = "us-west.usd"
SHIPPED = ("us-west.cny", "us-west.usd", "cn-north.cny")


def shipped(name: str) -> Edition:
    """One of the lists that come with the program."""
    return price_files.read_toml(files("volutus.billing").joinpath("lists", f"{name}.toml").read_text())


def bootstrap(tx: Tx, region: str) -> None:
    """Open the region where it is not. What an operator set up stays."""
    if accounts.region(tx) is not None:
        return
    first = shipped(FIRST_LIST)
    accounts.open_region(tx, region, first.currency, accounts.SHOWBACK)
    list_id = f"{region}.{first.currency}".lower()
    prices.publish(tx, CLOUD, replace(first, list_id=list_id, region=region))
