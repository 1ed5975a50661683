from __future__ import annotations

import time
from pathlib import Path

import pytest
from django.conf import settings

from speedscale.embedded.external import require_mongodb, require_redis
from speedscale.embedded.mongod import MongodServer
from speedscale.embedded.ports import free_port
from speedscale.embedded.process import ServerError
from speedscale.embedded.redis import RedisServer


def one_line(caught: pytest.ExceptionInfo[ServerError]) -> str:
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    assert "secret" not in message
    return message


def test_servers_that_answer_are_accepted() -> None:
    require_mongodb(settings.MONGO_URI)
    require_redis(settings.REDIS_URL)


def test_a_mongodb_that_is_not_there_is_one_line_within_seconds() -> None:
    port = free_port()
    started = time.perf_counter()
    with pytest.raises(ServerError) as caught:
        require_mongodb(f"mongodb://user:secret@127.0.0.1:{port}/")
    assert time.perf_counter() - started < 5
    assert one_line(caught) == f"MONGO_URI: MongoDB at 127.0.0.1:{port} does not answer"


def test_a_mongodb_without_a_primary_is_told_apart_from_silence(tmp_path: Path) -> None:
    server = MongodServer(tmp_path)
    try:
        with server.direct_client() as client:
            client.admin.command("replSetStepDown", 60, secondaryCatchUpPeriodSecs=0, force=True)
        with pytest.raises(ServerError) as caught:
            require_mongodb(server.uri)
        assert one_line(caught) == f"MONGO_URI: MongoDB at 127.0.0.1:{server.port} has no primary at present"
        with pytest.raises(ServerError, match="do not belong to the replica set"):
            require_mongodb(f"mongodb://127.0.0.1:{server.port}/?replicaSet=another")
    finally:
        server.kill()


@pytest.mark.parametrize(
    "uri", ["mongodb://", "mongodb://user:secret:x@host", "mongodb://host:port", "mongodb://h/?w=x y&z"]
)
def test_an_address_of_mongodb_that_makes_no_sense_is_one_line(uri: str) -> None:
    with pytest.raises(ServerError, match=r"^MONGO_URI") as caught:
        require_mongodb(uri)
    one_line(caught)


def test_a_wrong_password_is_told_as_a_refusal(tmp_path: Path) -> None:
    server = MongodServer(tmp_path)
    try:
        with pytest.raises(ServerError, match="MongoDB refuses") as caught:
            require_mongodb(f"mongodb://user:secret@127.0.0.1:{server.port}/?replicaSet=speedscale")
        one_line(caught)
    finally:
        server.kill()


def test_a_redis_that_is_not_there_is_one_line_within_seconds() -> None:
    port = free_port()
    started = time.perf_counter()
    with pytest.raises(ServerError, match=r"^REDIS_URL: Redis does not work") as caught:
        require_redis(f"redis://:secret@127.0.0.1:{port}/0")
    assert time.perf_counter() - started < 5
    assert str(port) in one_line(caught)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:secret@host:port/0",
        "redis://",
        "redis://127.0.0.1:1/x",
        "redis+sentinel://:secret@127.0.0.1:1",
        "redis+sentinel://:secret@127.0.0.1:1/service",
        "redis+cluster://:secret@127.0.0.1:1,127.0.0.1:2",
    ],
)
def test_an_address_of_redis_that_makes_no_sense_is_one_line(url: str) -> None:
    with pytest.raises(ServerError, match=r"^REDIS_URL") as caught:
        require_redis(url)
    one_line(caught)


def test_a_redis_that_wants_another_password_is_told(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    try:
        with pytest.raises(ServerError, match=r"^REDIS_URL: Redis does not work") as caught:
            require_redis(f"redis://someone:secret@127.0.0.1:{server.port}/0")
        one_line(caught)
    finally:
        server.kill()
