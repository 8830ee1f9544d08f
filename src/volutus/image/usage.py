"""What images cost is measured by: the GiB that their owner's bytes take, from when they are kept until the
image is deleted."""

from decimal import Decimal

from volutus import metering
from volutus.db import Tx

KIND = "image"
METER = "image_gib"
GIB = 2**30


def kept(tx: Tx, image_id: str, owner: str | None, size_bytes: int | None) -> None:
    """The owner has so many bytes of it from now on; none of both ends it."""
    if owner is None or not size_bytes:
        metering.close_usage(tx, KIND, [image_id])
    else:
        amount = Decimal(size_bytes) / GIB
        metering.change_usage(tx, metering.Usage(owner, KIND, image_id, METER, amount))
