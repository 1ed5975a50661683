"""The sharded cluster's Compose files and scripts, and the Kubernetes manifests: what runs without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from django.conf import settings
from django.core.management import get_commands

from catalog.cluster.plan import make_plan
from speedscale.embedded.mongo_sets import LEAVE_SILENT_SOURCE
from speedscale.embedded.ports import free_port
from speedscale.embedded.process import ServerProcess
from speedscale.embedded.redis import RedisServer, redis_binary
from speedscale.tests.waiting import wait_for

BASE = Path(settings.BASE_DIR)
DEPLOY = BASE / "deploy"
SHARDED_TEXT = (DEPLOY / "compose.sharded.yaml").read_text()
SHARDED: dict[str, dict[str, Any]] = yaml.safe_load(SHARDED_TEXT)["services"]
THIRD: dict[str, dict[str, Any]] = yaml.safe_load((DEPLOY / "compose.shard3.yaml").read_text())["services"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
ONE_SHOT = {"key", "cluster-init", "prepare"}
_TYPE = {"config": "--configsvr", "shard": "--shardsvr"}


def documents() -> list[dict[str, Any]]:
    return [one for path in MANIFESTS for one in yaml.safe_load_all(path.read_text()) if one]


def containers(document: dict[str, Any]) -> list[dict[str, Any]]:
    spec = document.get("spec", {})
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {})
    return list(template.get("spec", {}).get("containers", []))


# --- compose.sharded.yaml ----------------------------------------------------------------------------------


def test_the_compose_files_match_the_compose_schema() -> None:
    names = [f"deploy/{name}" for name in ("compose.sharded.yaml", "compose.shard3.yaml", "compose.nginx.yaml")]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", *names]
    done = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_services_are_the_members_of_the_plan_that_cluster_init_is_given() -> None:
    for services, shards in ((SHARDED, 2), ({**SHARDED, **THIRD}, 3)):
        command = services["cluster-init"]["command"]
        told = [argument.removeprefix("--").partition("=")[::2] for argument in command[1:]]
        values = {name: value for name, value in told if name != "shard"}
        plan = make_plan(
            sets=[],
            config=values["config"],
            shards=[value for name, value in told if name == "shard"],
            mongos=values["mongos"],
            zones=[],
        )
        assert len(plan.shards) == shards
        for one in plan.all_sets:
            assert len(one.hosts) == 3
            for host in one.hosts:
                arguments = services[host.removesuffix(":27017")]["command"]
                assert arguments[arguments.index("--replSet") + 1] == one.name
                assert _TYPE["config" if one is plan.config else "shard"] in arguments
                assert services[host.removesuffix(":27017")]["hostname"] == host.removesuffix(":27017")
        mongos = SHARDED["mongos"]["command"]
        assert mongos[mongos.index("--configdb") + 1] == str(plan.config)


def test_the_order_can_work_and_has_no_circle() -> None:
    def needs(name: str) -> set[str]:
        return set(SHARDED[name].get("depends_on", {}))

    order: list[str] = []
    while len(order) < len(SHARDED):
        ready = [name for name in SHARDED if name not in order and needs(name) <= set(order)]
        assert ready, f"a circle among {set(SHARDED) - set(order)}"
        order += ready
    # mongos listens once the config servers are a set, so making them one must not wait for it.
    assert "mongos" not in needs("cluster-init")
    assert "cluster-init" not in needs("mongos")
    assert SHARDED["prepare"]["depends_on"]["mongos"]["condition"] == "service_healthy"
    members = {name for name in SHARDED if name.startswith(("config-", "shard"))}
    assert members <= needs("cluster-init")


def test_whoever_is_waited_for_has_a_health_check_or_ends() -> None:
    for name, service in SHARDED.items():
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy" and needed != "web":
                assert "test" in SHARDED[needed]["healthcheck"], (name, needed)
            elif how["condition"] == "service_completed_successfully":
                assert SHARDED[needed]["restart"] == "no"
    # The web node's health check is the image's.
    assert "HEALTHCHECK" in (DEPLOY / "Dockerfile").read_text()


def test_only_the_web_port_is_published_and_only_here_by_default() -> None:
    published = {name: service["ports"] for name, service in {**SHARDED, **THIRD}.items() if "ports" in service}
    assert published == {"nginx": ["${BIND:-127.0.0.1}:${PORT:-8080}:8080"]}


def test_images_are_pinned_logs_rotate_and_memory_is_bounded() -> None:
    for name, service in {**SHARDED, **THIRD}.items():
        if name == "cluster-init" and "image" not in service:
            continue
        assert re.search(r":\d+\.\d+\.\d+", service["image"]), name
        assert service["logging"]["options"]["max-size"], name
        if name not in ONE_SHOT:
            assert service["deploy"]["resources"]["limits"]["memory"], name


def test_every_directory_with_data_is_a_named_volume() -> None:
    volumes = set(yaml.safe_load(SHARDED_TEXT)["volumes"])
    for service in SHARDED.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in volumes or (DEPLOY / source).exists(), source


def test_secrets_are_asked_for_and_never_given() -> None:
    for name in ("SECRET_KEY", "MONGO_ROOT_PASSWORD", "MONGO_PASSWORD", "REDIS_PASSWORD", "METRICS_TOKEN"):
        uses = set(re.findall(rf"\$\{{{name}([^}}]*)\}}", SHARDED_TEXT))
        assert uses == {":?is missing in .env"}, name


# --- Scripts of the containers -----------------------------------------------------------------------------


def test_the_key_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    owner = f"{os.getuid()}:{os.getgid()}"
    env = {**os.environ, "KEY_FILE": str(tmp_path / "key"), "KEY_OWNER": owner}
    command = ["/bin/sh", str(DEPLOY / "mongo" / "member.sh"), "make-key"]
    subprocess.run(command, env=env, check=True)
    first = (tmp_path / "key").read_bytes()
    subprocess.run(command, env=env, check=True)
    assert (tmp_path / "key").read_bytes() == first
    assert 6 <= len(first) <= 1024
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o400


def test_members_are_told_to_leave_a_source_that_fell_silent(tmp_path: Path) -> None:
    entrypoint = tmp_path / "docker-entrypoint.sh"
    entrypoint.write_text('#!/bin/sh\necho "$@"\n')
    entrypoint.chmod(0o755)
    script = ["/bin/sh", str(DEPLOY / "mongo" / "member.sh")]
    env = {"PATH": f"{tmp_path}:/usr/bin:/bin", "KEY_FILE": "/key"}

    def started(*command: str) -> list[str]:
        return subprocess.run([*script, *command], env=env, capture_output=True, text=True, check=True).stdout.split()

    own = ["--keyFile", "/key", "--bind_ip_all"]
    assert started("mongod", "--shardsvr") == ["mongod", *own, *LEAVE_SILENT_SOURCE, "--shardsvr"]
    assert started("mongos", "--port", "27017") == ["mongos", *own, "--port", "27017"]


def test_three_sentinels_as_the_script_configures_them_replace_a_dead_master(tmp_path: Path) -> None:
    password = "a-password"
    (tmp_path / "bin").mkdir()
    shutil.copy(redis_binary(), tmp_path / "bin" / "redis-server")
    master = RedisServer(tmp_path / "m", port=free_port(), password=password)
    follow = ["--replicaof", "127.0.0.1", str(master.port), "--repl-diskless-sync-delay", "0"]
    replica = RedisServer(tmp_path / "r", port=free_port(), password=password, arguments=follow)
    running: list[ServerProcess] = [master, replica]
    ports = [free_port() for _ in range(3)]
    try:
        for number, port in enumerate(ports):
            directory = tmp_path / f"s{number}"
            directory.mkdir()
            env = {
                "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
                "SENTINEL_DIR": str(directory),
                "SENTINEL_PORT": str(port),
                "REDIS_MASTER": "127.0.0.1",
                "REDIS_MASTER_PORT": str(master.port),
                "REDIS_PASSWORD": password,
            }
            script = ["/bin/sh", str(DEPLOY / "redis" / "sentinel.sh")]
            running.append(ServerProcess("sentinel", script, log=directory / "log", env=env))

        def told(port: int) -> dict[str, Any]:
            try:
                with redis.Redis(port=port, password=password, socket_timeout=1) as client:
                    found: dict[str, Any] = client.sentinel_masters()["speedscale"]
                    return found
            except redis.RedisError:
                return {}

        wait_for(lambda: all(told(port).get("num-other-sentinels") == 2 for port in ports), timeout_seconds=40)
        wait_for(lambda: all(told(port).get("num-slaves") == 1 for port in ports), timeout_seconds=40)
        with pytest.raises(redis.AuthenticationError), redis.Redis(port=ports[0]) as stranger:
            stranger.ping()
        master.kill()
        wait_for(lambda: told(ports[0]).get("port") == replica.port, timeout_seconds=40)
    finally:
        for server in running:
            server.kill()


# --- Kubernetes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.30", "1.35"])
def test_the_manifests_match_the_published_schemas(version: str) -> None:
    command = [str(Path(sys.executable).with_name("kubernetes-validate")), "-k", version, "--strict"]
    command += map(str, MANIFESTS)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout


def test_the_schema_check_of_manifests_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "web.yaml"
    wrong.write_text((DEPLOY / "kubernetes" / "web.yaml").read_text().replace("maxReplicas: 20", "maxReplica: 20"))
    # The last of several, as a wrong one among them would be.
    command = [str(Path(sys.executable).with_name("kubernetes-validate")), "-k", "1.35", "--strict"]
    command += map(str, [*MANIFESTS, wrong])
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_there_is_all_that_a_deployment_needs() -> None:
    kinds = {(one["kind"], one["metadata"]["name"]) for one in documents()}
    assert {
        ("Deployment", "speedscale-web"),
        ("HorizontalPodAutoscaler", "speedscale-web"),
        ("PodDisruptionBudget", "speedscale-web"),
        ("CronJob", "speedscale-training"),
        ("CronJob", "speedscale-backup"),
    } <= kinds
    assert "Secret" not in {kind for kind, _ in kinds}, "secrets are referred to, never written down"


def test_containers_run_commands_that_exist_without_rights_and_within_bounds() -> None:
    known = {*get_commands(), "web"}
    found = [container for one in documents() for container in containers(one)]
    assert len(found) == 5
    for container in found:
        assert container["args"][0] in known
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["resources"]["limits"]["memory"]
        assert {"secretRef": {"name": "speedscale"}} in container["envFrom"]


def test_claims_selectors_and_targets_name_what_is_there() -> None:
    by_kind: dict[str, set[str]] = {}
    for one in documents():
        by_kind.setdefault(one["kind"], set()).add(one["metadata"]["name"])
    text = "".join(path.read_text() for path in MANIFESTS)
    assert set(re.findall(r"claimName: ([\w-]+)", text)) <= by_kind["PersistentVolumeClaim"]
    for one in documents():
        if one["kind"] == "HorizontalPodAutoscaler":
            assert one["spec"]["scaleTargetRef"]["name"] in by_kind["Deployment"]
        if one["kind"] == "Deployment":
            labels = one["spec"]["template"]["metadata"]["labels"]
            assert one["spec"]["selector"]["matchLabels"].items() <= labels.items()


def test_the_autoscaler_follows_a_metric_that_the_application_exports(client: Any) -> None:
    scaler = next(one for one in documents() if one["kind"] == "HorizontalPodAutoscaler")
    names = [metric["pods"]["metric"]["name"] for metric in scaler["spec"]["metrics"] if metric["type"] == "Pods"]
    exported = client.get("/metrics").content.decode()
    assert names
    assert all(f"\n{name} " in exported for name in names)
