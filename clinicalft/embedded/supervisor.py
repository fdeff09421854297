"""Keeps the servers, the web and the workers of one machine running, and stops them in order."""

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinicalft.embedded.places import database_url, redis_url
from clinicalft.embedded.postgres import Postgres
from clinicalft.embedded.process import Broken, Process
from clinicalft.embedded.redis import Redis

Say = Callable[[str], None]

# A process that ends more often than this within a minute will not get well by itself.
RESTARTS_A_MINUTE = 5


@dataclass
class Supervised:
    """A process with the way to bring it back, and the times at which that was needed."""

    process: Process
    restart: Callable[[], Process]
    ended_at: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS_A_MINUTE))


class Supervisor:
    """Started processes, in order. `stop` ends them in the reverse order, so servers are started first."""

    def __init__(self, say: Say) -> None:
        self.say = say
        self.all: list[Supervised] = []

    def add(self, start: Callable[[], Process]) -> None:
        """Runs `start`, which returns a running process, and keeps it running."""
        self.all.append(Supervised(start(), start))

    def mend(self) -> None:
        """Starts again what has ended, and says so; raises Broken when it ends again and again."""
        for one in self.all:
            if one.process.is_running:
                continue
            why = one.process.why_it_ended()
            one.ended_at.append(time.monotonic())
            if len(one.ended_at) == RESTARTS_A_MINUTE and one.ended_at[-1] - one.ended_at[0] < 60:
                raise Broken(f"{one.process.name} ends again and again: {why} (see {one.process.log})")
            one.process.sweep()
            self.say(f"{one.process.name} ended ({why}): starting it again")
            one.process = one.restart()

    def stop(self) -> None:
        """Ends all of them, last started first."""
        for one in reversed(self.all):
            if one.process.is_running:
                self.say(f"stopping {one.process.name}")
            one.process.stop()
        self.all.clear()


def add_servers(supervisor: Supervisor, var: Path, *, durable: bool = True) -> dict[str, str]:
    """Starts the embedded servers that no variable names; returns DATABASE_URL and REDIS_URL for the children."""
    urls = {name: os.environ.get(name, "") for name in ("DATABASE_URL", "REDIS_URL")}
    var.mkdir(parents=True, exist_ok=True)
    if not urls["DATABASE_URL"] and not os.environ.get("DATABASE_URL_FILE"):
        supervisor.add(Postgres(var, supervisor.say, durable).start)
        urls["DATABASE_URL"] = database_url(var)
    if not urls["REDIS_URL"] and not os.environ.get("REDIS_URL_FILE"):
        supervisor.add(Redis(var, supervisor.say, durable).start)
        urls["REDIS_URL"] = redis_url(var)
    return {name: url for name, url in urls.items() if url}


@contextlib.contextmanager
def servers(var: Path, say: Say = print, *, durable: bool = True) -> Iterator[dict[str, str]]:
    """The URLs of running servers for the length of a with block."""
    supervisor = Supervisor(say)
    try:
        yield add_servers(supervisor, var, durable=durable)
    finally:
        supervisor.stop()
