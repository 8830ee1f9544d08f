"""Narrowed catalogs, deposited settings, consumers of OAuth 1.0a, and EC2's signatures."""

import base64
import hashlib
import hmac
from urllib.parse import parse_qs, quote

import pytest

from tests.api.identity.conftest import TOKENS, Session

ORIGIN = "http://testserver"


def _services(cloud):
    return {offer["type"]: offer["endpoints"] for offer in cloud.demo().body["catalog"]}


def test_a_service_without_endpoints_is_in_the_catalog(cloud, admin):
    made = admin.make("/services", "service", type="empty", name="nothing yet")
    assert _services(cloud)["empty"] == []
    admin.patch(f"/services/{made['id']}", {"service": {"enabled": False}})
    assert "empty" not in _services(cloud)


def test_a_project_sees_the_endpoints_chosen_for_it(cloud, admin):
    project_id = cloud.made.demo_project_id
    (compute,) = admin.get("/services?type=compute").json()["services"]
    (image,) = admin.get("/services?type=image").json()["services"]
    filters = {"service_id": compute["id"], "interface": "public"}
    group = admin.make("/OS-EP-FILTER/endpoint_groups", "endpoint_group", name="few", filters=filters)
    assert len(_services(cloud)) > 2
    link = f"/OS-EP-FILTER/endpoint_groups/{group['id']}/projects/{project_id}"
    assert admin.get(link).status_code == 404
    assert admin.put(link).status_code == 204
    assert admin.head(link).status_code == 200
    (endpoint,) = admin.get(f"/endpoints?service_id={image['id']}&interface=internal").json()["endpoints"]
    one = f"/OS-EP-FILTER/projects/{project_id}/endpoints/{endpoint['id']}"
    assert admin.put(one).status_code == 204
    assert admin.get(one).status_code == 204
    seen = _services(cloud)
    assert {kind: [e["interface"] for e in found] for kind, found in seen.items()} == {
        "compute": ["public"],
        "image": ["internal"],
    }
    for path, noun in (
        (f"/OS-EP-FILTER/endpoint_groups/{group['id']}/endpoints", "endpoints"),
        (f"/OS-EP-FILTER/endpoint_groups/{group['id']}/projects", "projects"),
        (f"/OS-EP-FILTER/projects/{project_id}/endpoint_groups", "endpoint_groups"),
        (f"/OS-EP-FILTER/projects/{project_id}/endpoints", "endpoints"),
        (f"/OS-EP-FILTER/endpoints/{endpoint['id']}/projects", "projects"),
    ):
        assert len(admin.get(path).json()[noun]) == 1
    assert admin.delete(link).status_code == admin.delete(one).status_code == 204
    assert len(_services(cloud)) > 2


def test_a_group_without_a_filter_has_all_endpoints(admin):
    group = admin.make("/OS-EP-FILTER/endpoint_groups", "endpoint_group", name="one", filters={})
    found = admin.get(f"/OS-EP-FILTER/endpoint_groups/{group['id']}/endpoints").json()["endpoints"]
    assert (group["filters"], len(found)) == ({}, len(admin.get("/endpoints").json()["endpoints"]))


@pytest.mark.parametrize("filters", [{"colour": "red"}, {"interface": "private"}, {"service_id": 7}])
def test_filters_that_mean_nothing_are_refused(admin, filters):
    body = {"endpoint_group": {"name": "x", "filters": filters}}
    answer = admin.post("/OS-EP-FILTER/endpoint_groups", body)
    assert answer.status_code == 400
    assert "endpoint_group.filters" in answer.text


def test_settings_of_a_domain_are_kept_and_secrets_hidden(admin):
    config = "/domains/default/config"
    assert admin.get(config).status_code == 404
    ldap = {"url": "ldap://directory", "password": "sesame"}
    answer = admin.put(config, {"config": {"ldap": ldap}})
    assert (answer.status_code, answer.json()) == (201, {"config": {"ldap": {"url": "ldap://directory"}}})
    changed = admin.patch(f"{config}/ldap/url", {"config": {"url": "ldap://other"}}).json()
    assert changed == {"config": {"ldap": {"url": "ldap://other"}}}
    assert admin.get(f"{config}/ldap/url").json() == {"config": {"url": "ldap://other"}}
    assert admin.get(f"{config}/ldap/password").status_code == 404
    assert admin.patch(f"{config}/ldap", {"config": {"identity": {"driver": "x"}}}).status_code == 400
    assert admin.put(config, {"config": {"cache": {"enabled": True}}}).status_code == 403
    assert admin.delete(f"{config}/ldap").status_code == 204
    assert admin.get(f"{config}/ldap").status_code == 404
    assert "ldap" in admin.get("/domains/config/default").json()["config"]
    assert admin.get("/domains/config/identity/driver/default").json() == {"config": {"driver": "sql"}}


class Consumer:
    """A program that signs as OAuth 1.0a says, written apart from what checks it."""

    def __init__(self, http, clock, key, secret):
        self.http, self.clock, self.key, self.secret = http, clock, key, secret

    def post(self, path, token="", token_secret="", headers=None, json=None, **more):
        oauth = {
            "oauth_consumer_key": self.key,
            "oauth_nonce": "1",
            "oauth_signature_method": "HMAC-SHA1",
            "oauth_timestamp": str(int(self.clock.now().timestamp())),
            "oauth_version": "1.0",
            **({"oauth_token": token} if token else {}),
            **more,
        }
        listed = "&".join(f"{k}={quote(v, safe='')}" for k, v in sorted(oauth.items()))
        base = "&".join(("POST", quote(f"{ORIGIN}{path}", safe=""), quote(listed, safe="")))
        key = f"{self.secret}&{token_secret}".encode()
        signature = base64.b64encode(hmac.new(key, base.encode(), hashlib.sha1).digest()).decode()
        pairs = {**oauth, "oauth_signature": signature}
        said = "OAuth " + ", ".join(f'{k}="{quote(v, safe="")}"' for k, v in pairs.items())
        return self.http.post(path, headers={"Authorization": said, **(headers or {})}, json=json)


@pytest.fixture
def consumer(cloud, admin):
    made = admin.make("/OS-OAUTH1/consumers", "consumer", description="a program")
    assert "secret" not in admin.get(f"/OS-OAUTH1/consumers/{made['id']}").text
    return Consumer(cloud.http, cloud.clock, made["id"], made["secret"])


def _pair(answer):
    assert answer.status_code == 201, answer.text
    fields = parse_qs(answer.text)
    return fields["oauth_token"][0], fields["oauth_token_secret"][0]


def _access(cloud, demo, consumer):
    """What demo gives the consumer, as key and secret of an access token."""
    wanted = {"Requested-Project-Id": cloud.made.demo_project_id}
    key, secret = _pair(consumer.post("/identity/v3/OS-OAUTH1/request_token", headers=wanted))
    roles = [{"id": r["id"]} for r in demo.body["roles"] if r["name"] == "reader"]
    given = demo.put(f"/OS-OAUTH1/authorize/{key}", {"roles": roles})
    verifier = given.json()["token"]["oauth_verifier"]
    path = "/identity/v3/OS-OAUTH1/access_token"
    assert consumer.post(path, key, secret, oauth_verifier="guessed").status_code == 401
    pair = _pair(consumer.post(path, key, secret, oauth_verifier=verifier))
    assert consumer.post(path, key, secret, oauth_verifier=verifier).status_code in (401, 404)
    return pair


def test_a_consumer_gets_what_a_user_gives_and_no_more(cloud, admin, demo, consumer):
    key, secret = _access(cloud, demo, consumer)
    body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
    assert consumer.post(TOKENS, key, "wrong", json=body).status_code == 401
    answer = consumer.post(TOKENS, key, secret, json=body)
    assert answer.status_code == 201, answer.text
    token = answer.json()["token"]
    assert token["methods"] == ["oauth1"]
    assert [role["name"] for role in token["roles"]] == ["reader"]
    assert token["project"]["id"] == cloud.made.demo_project_id
    session = Session(cloud.http, answer.headers["X-Subject-Token"])
    assert session.get("/auth/projects").status_code == 200
    own = f"/users/{cloud.made.demo_user_id}/OS-OAUTH1/access_tokens"
    (listed,) = demo.get(own).json()["access_tokens"]
    assert listed["consumer_id"] == consumer.key
    assert [r["name"] for r in demo.get(f"{own}/{key}/roles").json()["roles"]] == ["reader"]
    assert demo.get(f"{own}/{key}").json()["access_token"]["project_id"] == cloud.made.demo_project_id
    assert admin.delete(f"/OS-OAUTH1/consumers/{consumer.key}").status_code == 204
    assert session.get("/auth/projects").status_code == 401
    assert consumer.post(TOKENS, key, secret, json=body).status_code == 401


def test_what_was_given_can_be_taken_back(cloud, demo, consumer):
    key, secret = _access(cloud, demo, consumer)
    body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
    token = consumer.post(TOKENS, key, secret, json=body).headers["X-Subject-Token"]
    own = f"/users/{cloud.made.demo_user_id}/OS-OAUTH1/access_tokens/{key}"
    assert demo.delete(own).status_code == 204
    assert Session(cloud.http, token).get("/auth/projects").status_code == 401


def test_an_old_signature_is_refused(cloud, demo, consumer):
    key, secret = _access(cloud, demo, consumer)
    body = {"auth": {"identity": {"methods": ["oauth1"], "oauth1": {}}}}
    stamp = str(int(cloud.clock.now().timestamp()) - 3600)
    assert consumer.post(TOKENS, key, secret, json=body, oauth_timestamp=stamp).status_code == 401


def _hmac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _signing_key(secret, day):
    key = f"AWS4{secret}".encode()
    for part in (day, "RegionOne", "ec2", "aws4_request"):
        key = _hmac(key, part)
    return key


def _v4(cloud, pair):
    """A request as AWS's clients sign it with version 4, as an EC2 front passes it on."""
    stamp = cloud.clock.now().strftime("%Y%m%dT%H%M%SZ")
    day, body_hash = stamp[:8], hashlib.sha256(b"").hexdigest()
    scope = f"{day}/RegionOne/ec2/aws4_request"
    names = "host;x-amz-date"
    canonical = (
        f"GET\n/\nAction=DescribeInstances\nhost:ec2.cloud\nx-amz-date:{stamp}\n\n{names}\n{body_hash}"
    )
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = _hmac(_signing_key(pair["secret"], day), text).hex()
    said = (
        f"AWS4-HMAC-SHA256 Credential={pair['access']}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return {
        "access": pair["access"],
        "signature": signature,
        "host": "ec2.cloud",
        "verb": "GET",
        "path": "/",
        "params": {"Action": "DescribeInstances"},
        "headers": {"X-Amz-Date": stamp, "Authorization": said},
        "body_hash": body_hash,
    }


def _v2(cloud, pair):
    params = {
        "Action": "DescribeInstances",
        "AWSAccessKeyId": pair["access"],
        "SignatureMethod": "HmacSHA256",
        "SignatureVersion": "2",
        "Timestamp": cloud.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    query = "&".join(f"{k}={quote(v, safe='-_.~')}" for k, v in sorted(params.items()))
    signature = base64.b64encode(_hmac(pair["secret"].encode(), f"GET\nec2.cloud\n/\n{query}")).decode()
    return {
        "access": pair["access"],
        "signature": signature,
        "host": "ec2.cloud",
        "verb": "GET",
        "path": "/",
        "params": params,
    }


def _s3(cloud, pair):
    stamp = cloud.clock.now().strftime("%Y%m%dT%H%M%SZ")
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{stamp[:8]}/RegionOne/ec2/aws4_request\n{'0' * 64}"
    return {
        "access": pair["access"],
        "signature": _hmac(_signing_key(pair["secret"], stamp[:8]), text).hex(),
        "token": base64.urlsafe_b64encode(text.encode()).decode(),
    }


@pytest.mark.parametrize(("path", "sign"), [("/ec2tokens", _v4), ("/ec2tokens", _v2), ("/s3tokens", _s3)])
def test_signed_with_ec2_keys_one_is_their_owner(cloud, admin, demo, path, sign):
    own = f"/users/{cloud.made.demo_user_id}/credentials/OS-EC2"
    made = demo.post(own, {"tenant_id": cloud.made.demo_project_id})
    assert made.status_code == 201
    pair = made.json()["credential"]
    asked = sign(cloud, pair)
    answer = admin.post(path, {"credentials": asked})
    assert answer.status_code == 200, answer.text
    assert answer.json()["token"]["project"]["id"] == cloud.made.demo_project_id
    session = Session(cloud.http, answer.headers["X-Subject-Token"])
    assert session.get("/auth/projects").status_code == 200
    assert demo.post(path, {"credentials": asked}).status_code == 403
    wrong = {**asked, "signature": "0" * len(asked["signature"])}
    assert admin.post(path, {"credentials": wrong}).status_code == 401
    assert admin.post(path, {"credentials": {**asked, "access": "nobody"}}).status_code == 401
    cloud.clock.advance(3600)
    assert cloud.admin().post(path, {"credentials": asked}).status_code == 401
