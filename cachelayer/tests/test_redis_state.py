"""What is told of Redis: one server, a group under Sentinels, a Cluster; whole and with a server away."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.conf import settings

from cachelayer import runtime
from cachelayer.server.state import read_redis
from cachelayer.tests.loaders import wait_for
from cachelayer.tests.redis_groups import PASSWORD, replicas_of, start_group
from speedscale.embedded.redis_sets import ClusterGroup, SentinelGroup

pytestmark = pytest.mark.timeout(90)


def test_one_server_tells_role_memory_persistence_and_who_listens() -> None:
    runtime.bus.ensure_started()
    assert runtime.bus.wait_until_connected(5)
    state = read_redis(settings.REDIS_URL)
    (node,) = state.nodes
    assert (state.kind, node.role, node.persistence, node.replicas) == ("single", "master", "nothing on disk", 0)
    assert 0 < node.memory_bytes < node.maxmemory_bytes
    assert state.application_processes >= 1
    assert state.application_hosts == 1
    assert state.problems == ()


def test_sentinels_tell_master_and_replicas_and_a_dead_replica_and_a_dead_sentinel(tmp_path: Path) -> None:
    with start_group("sentinel", tmp_path, password=PASSWORD) as group:
        assert isinstance(group, SentinelGroup)
        state = read_redis(group.url)
        assert [node.role for node in state.nodes] == ["master", "replica", "replica"]
        assert state.nodes[0].address.endswith(f":{group.master().port}")
        assert (state.nodes[0].replicas, state.sentinels, state.quorum) == (2, 3, 2)
        assert state.application_processes == 0, "Sentinels that listen are no web workers"
        assert state.problems == ()
        assert PASSWORD not in repr(state)

        dead = replicas_of(group, group.master())[0]
        dead.kill()
        group.sentinels[2].kill()
        wait_for(lambda: len(read_redis(group.url).problems) == 2, seconds=20)
        problems = read_redis(group.url).problems
        assert f"replica 127.0.0.1:{dead.port} is away" in problems
        assert any(f"Sentinel 127.0.0.1:{group.sentinels[2].port} does not answer" in one for one in problems)


def test_a_cluster_tells_all_nodes_and_one_that_is_away(tmp_path: Path) -> None:
    with start_group("cluster", tmp_path, password=PASSWORD) as group:
        assert isinstance(group, ClusterGroup)
        state = read_redis(group.url)
        assert sorted(node.role for node in state.nodes) == ["master"] * 3 + ["replica"] * 3
        assert (state.kind, state.problems) == ("cluster", ())
        replicas = [node.address for node in state.nodes if node.role == "replica"]
        dead = next(server for server in group.servers if f"127.0.0.1:{server.port}" == replicas[0])
        dead.kill()
        wait_for(lambda: bool(read_redis(group.url).problems), seconds=20)
        assert any(f":{dead.port}" in problem for problem in read_redis(group.url).problems)


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0", "redis+sentinel://127.0.0.1:9/x/0", "nonsense"])
def test_a_redis_that_cannot_be_asked_is_a_state_and_no_error(url: str) -> None:
    state = read_redis(url)
    assert state.nodes == ()
    assert state.error
