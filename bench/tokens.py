"""Tokens from outside: how long it takes to issue one and to check one, against the password hash's own cost.

usage: python -m bench.tokens --password ADMINS [--url URL] [--user NAME] [--project NAME]
Prints medians in milliseconds at concurrency 1 and rates at 16, over kept-alive connections.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx

from volutus.identity.passwords import Passwords

ISSUES = 30
CHECKS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8780/identity")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--project", default="admin")
    arguments = parser.parse_args()
    domain = {"id": "default"}
    user = {"name": arguments.user, "domain": domain, "password": arguments.password}
    auth = {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": {"name": arguments.project, "domain": domain}},
    }
    tokens = f"{arguments.url}/v3/auth/tokens"

    def issue(http: httpx.Client) -> str:
        answer = http.post(tokens, json={"auth": auth})
        answer.raise_for_status()
        return answer.headers["X-Subject-Token"]

    with httpx.Client() as http:
        mine, other = issue(http), issue(http)
        headers = {"X-Auth-Token": mine, "X-Subject-Token": other}

        def check(http: httpx.Client) -> None:
            http.get(tokens, headers=headers).raise_for_status()

        def own_catalog_free(http: httpx.Client) -> None:
            http.head(tokens, headers=headers).raise_for_status()

        hash_ms = _hash_ms()
        issue_ms = _median_ms(lambda: issue(http), ISSUES)
        print(f"hash alone              {hash_ms:8.2f} ms")
        print(
            f"issue by password       {issue_ms:8.2f} ms   {issue_ms / hash_ms:.2f} times the hash alone,"
            f" {issue_ms - hash_ms:.2f} ms beside it"
        )
        print(f"check, with catalog     {_median_ms(lambda: check(http), CHECKS):8.2f} ms")
        print(f"check, HEAD             {_median_ms(lambda: own_catalog_free(http), CHECKS):8.2f} ms")
    print(f"check at concurrency 16 {_rate(check, CHECKS * 4):8.0f} a second")


def _hash_ms() -> float:
    passwords = Passwords()
    stored = passwords.hash("a password")
    return _median_ms(lambda: passwords.matches(stored, "a password"), ISSUES)


def _median_ms(act: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        act()
        taken.append((time.perf_counter() - began) * 1000)
    return statistics.median(taken)


def _rate(act: Callable[[httpx.Client], object], times: int) -> float:
    with httpx.Client(limits=httpx.Limits(max_connections=16)) as http, ThreadPoolExecutor(16) as threads:
        began = time.perf_counter()
        list(threads.map(lambda _: act(http), range(times)))
        return times / (time.perf_counter() - began)


if __name__ == "__main__":
    main()
