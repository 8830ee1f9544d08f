"""What the stock client prints when one process is given many commands: each one takes a second to load."""

import json
import re
from collections.abc import Iterator
from typing import Any


def documents(text: str) -> Iterator[Any]:
    """The JSON documents in what was printed, between prompts."""
    decoder, at = json.JSONDecoder(), 0
    while found := re.search(r"^(?:\(openstack\) )?([\[{])", text[at:], re.MULTILINE):
        document, length = decoder.raw_decode(text[at + found.start(1) :])
        at += found.start(1) + length
        yield document
