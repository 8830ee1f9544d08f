"""The cache of images, as operators see and steer it, over what hosts report."""

import pytest

from tests.api.image.test_data import ROOT, put, queued
from tests.compute.hosts import add_host
from tests.conftest import make_caller
from volutus import compute, placement
from volutus.image import ImageCollector, ImageStore
from volutus.image.caches import KIND
from volutus.image.images import DELETE_GRACE_S
from volutus.reconcile import Worker
from volutus.wire import CachedImage, CacheObserved, Gone, ImageSpec, Observed

CACHE = f"{ROOT}/cache"


@pytest.fixture
def operator(api):
    return api.as_(make_caller(role="admin"))


@pytest.fixture
def hosts(database):
    return [add_host(database, name) for name in ("north", "south")]


@pytest.fixture
def made(api):
    image = queued(api)
    put(api, image, b"bytes")
    return image["id"]


def orders(database, host):
    with database.read() as tx:
        told = placement.desired(tx, host.host_id, 0).assignments
    return {order.key: order for order in told if order.kind == KIND}


def has(database, host, *image_ids, disks=0, gone=()):
    images = [
        CachedImage(id=one, size_bytes=7, cached_at=1000, used_at=2000, disks=disks) for one in image_ids
    ]
    items = [CacheObserved(images=images), *(Gone(what=KIND, id=one) for one in gone)]
    with database.begin() as tx:
        compute.report(tx, host.host_id, Observed(seen=0, items=items))


def seen(operator):
    found = operator.get(CACHE).json()
    return [one["image_id"] for one in found["cached_images"]], found["queued_images"]


def test_an_image_is_fetched_by_every_host_beforehand(operator, database, hosts, made):
    assert seen(operator) == ([], [])
    assert operator.put(f"{CACHE}/{made}").status_code == 202
    for host in hosts:
        spec = orders(database, host)[made].spec
        assert isinstance(spec, ImageSpec) and spec.source.image_id == made and spec.source.sha256
        with database.read() as tx:
            placement.require_named_image(tx, host.host_id, made)
    assert seen(operator) == ([], [made])
    has(database, hosts[0], made, disks=2)
    assert seen(operator) == ([made], [made]), "one host has it, the other has not yet"
    has(database, hosts[1], made, disks=1)
    (cached,) = operator.get(CACHE).json()["cached_images"]
    assert cached == {"image_id": made, "hits": 3, "last_accessed": 2000, "last_modified": 1000, "size": 7}
    assert seen(operator) == ([made], [])
    has(database, hosts[1])
    assert seen(operator) == ([made], [made]), "what a host lost it fetches again"


def test_what_is_dropped_goes_and_what_is_in_use_stays(operator, database, hosts, made):
    has(database, hosts[0], made, disks=1)
    has(database, hosts[1], made, "another")
    assert seen(operator) == (["another", made] if made > "another" else [made, "another"], [])
    assert operator.delete(f"{CACHE}/{made}").status_code == 204
    assert seen(operator) == (["another"], [])
    assert all(orders(database, host)[made].tombstone for host in hosts), "though none was told to have it"
    assert operator.put(f"{CACHE}/{made}").status_code == 202
    assert seen(operator) == (["another"], []), "what is being dropped is not fetched meanwhile"
    has(database, hosts[0], made, disks=1, gone=[made])
    has(database, hosts[1], "another", gone=[made])
    assert not orders(database, hosts[0]) and not orders(database, hosts[1])
    assert made in seen(operator)[0]
    has(database, hosts[0])
    assert seen(operator) == (["another"], [])


def test_all_are_cleared_or_some(operator, database, hosts, made):
    operator.put(f"{CACHE}/{made}")
    has(database, hosts[0], "one")
    clear = {"x-image-cache-clear-target": "cache"}
    assert operator.request("DELETE", CACHE, headers=clear).status_code == 204
    assert seen(operator) == ([], [made])
    wrong = {"x-image-cache-clear-target": "all"}
    assert operator.request("DELETE", CACHE, headers=wrong).status_code == 400
    assert operator.delete(CACHE).status_code == 204
    assert seen(operator) == ([], [])
    assert orders(database, hosts[1])[made].tombstone


def test_refusals(api, operator, hosts, made):
    assert operator.put(f"{CACHE}/{queued(api)['id']}").status_code == 400
    for method in (operator.put, operator.delete):
        assert method(f"{CACHE}/5f2a1d4e-7a3c-4c1b-9f0e-0d6b8a7c9e11").status_code == 404
    for call in (api.get, api.delete):
        assert call(CACHE).status_code == 403


def test_a_deleted_image_goes_from_the_caches_too(api, operator, database, settings, clock, hosts, made):
    operator.put(f"{CACHE}/{made}")
    api.delete(f"{ROOT}/images/{made}")
    clock.advance(DELETE_GRACE_S + 1)
    Worker(database, [ImageCollector(database, ImageStore(settings.image_dir))]).run_once()
    assert orders(database, hosts[0])[made].tombstone
