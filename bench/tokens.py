"""Tokens from outside: how long it takes to issue one and to check one, against the password hash's own cost.

usage: python -m bench.tokens --password ADMINS [--url URL] [--user NAME] [--project NAME]
Prints medians in milliseconds at concurrency 1 and rates at 16, over kept-alive connections, and the CPU that
the whole machine spent on each check (client and database too).
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path

from bench.client import Client, burst, median_ms
from volutus.identity.passwords import Passwords

ISSUES = 30
CHECKS = 1000
TOKENS = "/identity/v3/auth/tokens"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8780")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password", required=True)
    parser.add_argument("--project", default="admin")
    arguments = parser.parse_args()
    client = Client(arguments.url).sign_in(arguments.user, arguments.password, arguments.project)
    hash_ms = _hash_ms()
    issue_ms = _median_ms(
        lambda: client.sign_in(arguments.user, arguments.password, arguments.project), ISSUES
    )
    print(f"hash alone                    {hash_ms:8.2f} ms")
    print(
        f"issue by password             {issue_ms:8.2f} ms   {issue_ms / hash_ms:.2f} times the hash alone,"
        f" {issue_ms - hash_ms:.2f} ms beside it"
    )
    _by_application_credential(client)
    other = client.sign_in(arguments.user, arguments.password, arguments.project).token
    subject = {"X-Subject-Token": other}
    print(f"check, with catalog           {_check_ms(client, 'GET', subject):8.2f} ms")
    print(f"check, HEAD                   {_check_ms(client, 'HEAD', subject):8.2f} ms")
    print(f"authenticate and list         {median_ms(lambda: client.call('GET', LIST), CHECKS):8.2f} ms")
    _rates(client, "check at 16", client.request("GET", TOKENS, None, subject))
    _rates(client, "authenticate and list at 16", client.request("GET", LIST))


LIST = "/identity/v3/auth/projects"


def _by_application_credential(client: Client) -> None:
    """Make one, sign in with it at concurrency 1 and 16, remove it."""
    me = client.call("GET", TOKENS, None, {"X-Subject-Token": client.token}).json()["token"]["user"]["id"]
    own = f"/identity/v3/users/{me}/application_credentials"
    body = {"application_credential": {"name": f"bench-{time.time_ns()}"}}
    made = client.call("POST", own, body).json()["application_credential"]
    proof = {"id": made["id"], "secret": made["secret"]}
    auth = {"identity": {"methods": ["application_credential"], "application_credential": proof}}
    nobody = client.with_token("")
    issue = nobody.request("POST", TOKENS, {"auth": auth})
    taken = median_ms(lambda: nobody.call("POST", TOKENS, {"auth": auth}), CHECKS // 4)
    print(f"issue by application credential {taken:6.2f} ms")
    _rates(nobody, "issue by application credential at 16", issue)
    client.call("DELETE", f"{own}/{made['id']}").json()


def _check_ms(client: Client, method: str, subject: dict[str, str]) -> float:
    return median_ms(lambda: client.call(method, TOKENS, None, subject), CHECKS)


def _rates(client: Client, name: str, request: bytes) -> None:
    def requests() -> Iterator[bytes]:
        return iter(repeat(request, CHECKS * 3))

    burst(client, iter(repeat(request, 200))).all_good()
    before = _busy_s()
    result = burst(client, requests()).all_good()
    cpu_ms = (_busy_s() - before) / CHECKS / 3 * 1000
    print(f"{name:38} {result.per_second:6.0f} a second, {cpu_ms:.2f} ms of CPU each")


def _busy_s() -> float:
    """CPU seconds that this machine has spent on anything, since it started."""
    user, nice, system, _idle, _wait, *rest = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + rest[0] + rest[1]) / 100


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


if __name__ == "__main__":
    main()
