"""Edits while a server hangs, dies or is away: what is said, and that what was acknowledged is there afterwards."""

from __future__ import annotations

import signal
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings
from rest_framework.authtoken.models import Token

from catalog import mongo
from catalog.documents import object_id_of
from catalog.repository import get_stored_product
from catalog.services.products import read_product
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.redis import RedisServer
from speedscale.tests.test_faults import hang, own_mongod, own_redis

__all__ = ["own_mongod", "own_redis"]

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(60)]
MOUSE = str(object_id_of("SKU-0"))


@pytest.fixture
def api() -> Client:
    token = Token.objects.create(user=User.objects.create(username="editor", is_staff=True))
    return Client(headers={"authorization": f"Token {token.key}"})


def patch(api: Client, **body: Any) -> Any:
    return api.patch(f"/api/products/{MOUSE}", orjson.dumps(body), content_type="application/json")


def test_a_hung_mongodb_is_a_quick_503_and_the_edit_can_be_sent_again(own_mongod: MongodServer, api: Client) -> None:
    assert patch(api, price=1, version=1).status_code == 200
    hang(own_mongod)
    started = perf_counter()
    refused = patch(api, price=2, version=2)
    elapsed_ms = (perf_counter() - started) * 1000
    own_mongod.signal(signal.SIGCONT)
    assert refused.status_code == 503
    assert refused["Content-Type"] == "application/problem+json"
    assert "Retry-After" in refused
    assert elapsed_ms < 2500
    mongo.breaker.record_success()
    again = patch(api, price=2, version=2)
    assert again.status_code == 200 or again.json()["stored"]["price"] == 2, "done now, or done by the first attempt"
    assert get_stored_product(MOUSE).price == 200


def test_acknowledged_edits_survive_a_mongodb_that_is_killed(
    own_mongod: MongodServer, api: Client, settings: Settings, tmp_path: Path
) -> None:
    for version in range(1, 11):
        assert patch(api, price=version, version=version).status_code == 200
    own_mongod.signal(signal.SIGKILL)
    assert patch(api, price=99, version=11).status_code == 503
    mongo.close()
    restarted = MongodServer(tmp_path / "mongodb")
    try:
        settings.MONGO_URI = restarted.uri
        mongo.breaker.record_success()
        stored = get_stored_product(MOUSE)
        assert (stored.version, stored.price) == (11, 1000)
    finally:
        restarted.stop()


def test_edits_go_on_without_redis(own_redis: RedisServer, products_db: Any, api: Client, client: Client) -> None:
    from catalog.tests.factories import draft, store

    store(draft("SKU-0"))
    read_product(product_id=MOUSE)
    own_redis.signal(signal.SIGKILL)
    assert patch(api, price=5, version=1).status_code == 200
    assert client.get(f"/api/products/{MOUSE}").json()["data"]["price"] == 5
    client.force_login(User.objects.get(username="editor"))
    page = client.post(f"/staff/products/{MOUSE}/status/", {"version": "2", "action": "deactivate"}, follow=True)
    assert "Redis does not answer" in page.content.decode()
    assert client.get(f"/api/products/{MOUSE}").status_code == 404
