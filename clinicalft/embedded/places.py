"""Where the embedded servers keep their data and their sockets. Pure paths: nothing is started here."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

DATABASE = "clinicalft"
SUPERUSER = "clinicalft"
# Linux allows 108 bytes for the path of a unix socket with its closing zero byte, macOS 104.
LONGEST_SOCKET_PATH = 100


def socket_folder(var: Path, server: str) -> Path:
    """The folder of a server's socket: inside `var`, or a short one of this user when that path is too long."""
    inside = var / "sockets" / server
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH:
        return inside
    digest = hashlib.sha256(os.fsencode(var)).hexdigest()[:8]
    return Path(tempfile.gettempdir()) / f"clinicalft-{os.getuid()}-{digest}" / server


def database_url(var: Path, name: str = DATABASE) -> str:
    """The URL of the embedded PostgreSQL of `var`."""
    return f"postgresql://{SUPERUSER}@/{name}?host={quote(str(socket_folder(var, 'postgres')), safe='')}"


def redis_url(var: Path) -> str:
    """The URL of the embedded Redis of `var`."""
    return f"unix://{quote(str(socket_folder(var, 'redis') / 'redis.sock'))}?db=0"
