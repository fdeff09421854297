"""The whole app on one machine, for as long as the person at the keyboard wants it: what `bin/up` runs in .venv."""

import argparse
import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO

from clinicalft.embedded.process import Broken, Process
from clinicalft.embedded.supervisor import Supervisor, add_servers

ROOT = Path(__file__).resolve().parent.parent.parent
PORTS_TRIED = 50


def say(line: str) -> None:
    """One line of progress with the time of day."""
    sys.stdout.write(f"[{time.strftime('%H:%M:%S')}] {line}\n")
    sys.stdout.flush()


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of bin/up."""
    parser = argparse.ArgumentParser(prog="bin/up", description="Set up, start and keep running ClinicalFT.")
    parser.add_argument("--port", type=int, default=8000, help="the first port to try (default: 8000)")
    parser.add_argument("--no-demo", action="store_true", help="do not load the demo projects into an empty database")
    options = parser.parse_args(arguments)
    if not 1 <= options.port <= 65535:
        parser.error("--port must be between 1 and 65535")
    return options


def free_port(first: int) -> int:
    """`first`, or the next one that nothing on this machine listens on; raises Broken after fifty."""
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        with socket.socket() as attempt:
            attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                attempt.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port != first:
            say(f"port {first} is taken: using {port}")
        return port
    raise Broken(f"ports {first} to {first + PORTS_TRIED - 1} are all taken: choose another with --port.")


def lock(var: Path) -> IO[str]:
    """The right to run on this state folder; raises Broken when another start holds it."""
    var.mkdir(parents=True, exist_ok=True)
    file = (var / "up.lock").open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with file:
            file.seek(0)
            raise Broken(f"already running: {file.read().strip() or 'it is just starting'}") from None
    file.truncate(0)
    return file


def manage(environment: dict[str, str], *command: str) -> str:
    """The output of a manage.py command, shown when it is not asked for; raises Broken when it fails."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *command],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if result.returncode:
        raise Broken(f"manage.py {command[0]} failed: see the lines above.")
    return result.stdout


def collect_static(environment: dict[str, str], var: Path) -> None:
    """Collects and compresses static files when any of them is newer than the last collection."""
    collected = Path(environment.get("STATIC_ROOT") or var / "static") / "staticfiles.json"
    sources = [ROOT / "static", ROOT / "node_modules" / "clinicalft.json", ROOT / "clinicalft" / "staticfiles.py"]
    newest = max(
        (path.stat().st_mtime for source in sources if source.exists() for path in [source, *source.rglob("*")]),
        default=0,
    )
    if not collected.exists() or collected.stat().st_mtime < newest:
        say("collecting static files")
        manage(environment, "collectstatic", "--noinput", "--clear", "--verbosity", "0")


def programs(environment: dict[str, str], var: Path, port: int) -> list[Process]:
    """Web and workers, in the order in which they start. SIGQUIT asks a worker for its soft shutdown."""
    celery = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "clinicalft.celery",
        "worker",
        "--without-gossip",
        "--without-mingle",
    ]
    web = [
        *(sys.executable, "-m", "gunicorn", "clinicalft.wsgi:application", "--bind", f"127.0.0.1:{port}"),
        *("--workers", "2", "--threads", "4", "--timeout", "60", "--graceful-timeout", "15", "--no-control-socket"),
    ]

    def process(name: str, command: list[str], file: str, stop_signal: int, grace: float) -> Process:
        return Process(name, command, var / "log" / file, environment, stop_signal, grace, cwd=ROOT)

    return [
        process("worker gpu", [*celery, "-Q", "gpu", "-n", "gpu@%h", "-c", "1"], "gpu.log", signal.SIGQUIT, 40),
        process("worker default", [*celery, "-Q", "default", "-n", "default@%h", "-c", "2", "-B"], "worker.log",
                signal.SIGQUIT, 25),
        process("web", web, "web.log", signal.SIGTERM, 20),
    ]  # fmt: skip


def started(process: Process) -> Callable[[], Process]:
    """A function that starts `process` and returns it, for the supervisor."""

    def start() -> Process:
        process.start()
        return process

    return start


def wait_for_web(port: int, supervisor: Supervisor) -> None:
    """Returns when the health page answers; raises Broken after a minute."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/", timeout=5):
                return
        except urllib.error.HTTPError as error:
            raise Broken(f"the web answers with error {error.code}: see var/log/web.log") from error
        except OSError:
            supervisor.mend()
            time.sleep(0.2)
    raise Broken("the web did not answer within a minute: see var/log/web.log")


def demo(environment: dict[str, str]) -> list[str]:
    """Loads the demo into an empty database, and returns the lines that name its log-ins."""
    say("loading the demo, if the database is empty")
    manage(environment, "demo", "--if-empty")
    return manage(environment, "demo", "--logins").splitlines()


def run(options: argparse.Namespace, var: Path, supervisor: Supervisor) -> None:
    """Starts everything and returns only by an exception: Broken, or KeyboardInterrupt for Ctrl-C and SIGTERM."""
    held = lock(var)
    say("starting PostgreSQL and Redis, unless DATABASE_URL and REDIS_URL name others")
    environment = {**os.environ, "CLINICALFT_VAR": str(var), "COLLECTED_STATIC": "true", **add_servers(supervisor, var)}
    say("bringing the database up to date")
    manage(environment, "migrate", "--noinput", "--verbosity", "0")
    collect_static(environment, var)
    logins = [] if options.no_demo else demo(environment)
    port = free_port(options.port)
    address = f"http://127.0.0.1:{port}/"
    say("starting the workers and the web")
    for process in programs(environment, var, port):
        supervisor.add(started(process))
    wait_for_web(port, supervisor)
    held.write(f"{address} (process {os.getpid()})")
    held.flush()
    say(f"ClinicalFT is ready: {address}")
    for line in logins:
        say(f"  {line}")
    say(f"logs: {var / 'log'}; Ctrl-C stops everything")
    while True:
        time.sleep(1)
        supervisor.mend()


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def main() -> int:
    """Runs until Ctrl-C or SIGTERM; returns 0 then, and 1 when something is broken."""
    options = parse()
    var = Path(os.environ.get("CLINICALFT_VAR") or ROOT / "var").absolute()
    supervisor = Supervisor(say)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Said for SIGINT, too: a shell that starts this in the background has it ignored.
        signal.signal(number, interrupt)
    code = 0
    try:
        run(options, var, supervisor)
    except KeyboardInterrupt:
        say("stopping")
    except Broken as error:
        say(str(error))
        code = 1
    except PermissionError as error:
        say(f"{error.filename} belongs to another user (an earlier start as root?): give it back to you, or remove it")
        code = 1
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.stop()
    say("stopped")
    return code


if __name__ == "__main__":
    sys.exit(main())
