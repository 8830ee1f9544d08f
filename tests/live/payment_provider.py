"""The payment provider's stand-in as a program beside a cloud: `payment_provider CLOUD SECRET AHEAD_S`.

It says its own address, and tells the cloud of each event, signed, until it is ended. Its clock is as far
ahead of the machine's as the cloud's.
"""

import json
import sys
import threading
import time

import httpx

from tests.billing.stripe_stand_in import Stripe
from volutus.billing.providers.stripe import SIGNATURE, sign


def main(cloud: str, secret: str, ahead_s: str) -> None:
    def tell(event: object) -> None:
        body = json.dumps(event).encode()
        headers = {SIGNATURE: sign(secret, body, int(time.time()) + int(ahead_s))}
        events = f"{cloud}/billing/v1/providers/stripe/events"
        answer = httpx.post(events, content=body, headers=headers, trust_env=False)
        answer.raise_for_status()

    sys.stdout.write(f"{Stripe(tell).url}\n")
    sys.stdout.flush()
    threading.Event().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
