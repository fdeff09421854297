"""Where the embedded servers keep their data and their sockets, and as whom they run."""

import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from clinicalft.embedded.process import Broken

DATABASE = "clinicalft"
SUPERUSER = "clinicalft"
# Linux allows 108 bytes for the path of a unix socket with its closing zero byte, macOS 104.
LONGEST_SOCKET_PATH = 100


def socket_folder(var: Path, server: str) -> Path:
    """The folder of a server's socket: inside `var` unless that path is too long, or closed to root's system user."""
    inside = var / "sockets" / server
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH and not is_closed_for_root(var):
        return inside
    if os.geteuid() == 0:
        return ROOT_STATE / short_name(var) / "sockets" / server
    return Path(tempfile.gettempdir()) / f"clinicalft-{os.getuid()}-{short_name(var)}-{server}"


def is_closed_for_root(var: Path) -> bool:
    """True when root runs the app in a folder that other users cannot reach: its database runs as one of them."""
    return os.geteuid() == 0 and first_closed_parent(var / "sockets", NOBODY) is not None


def short_name(var: Path) -> str:
    """Eight characters that stand for the path of a state folder."""
    return hashlib.sha256(os.fsencode(var)).hexdigest()[:8]


def database_url(var: Path, name: str = DATABASE) -> str:
    """The URL of the embedded PostgreSQL of `var`."""
    return f"postgresql://{SUPERUSER}@/{name}?host={quote(str(socket_folder(var, 'postgres')), safe='')}"


def redis_url(var: Path) -> str:
    """The URL of the embedded Redis of `var`."""
    return f"unix://{quote(str(socket_folder(var, 'redis') / 'redis.sock'))}?db=0"


# Where root keeps what must not lie below a closed folder such as its home.
ROOT_STATE = Path("/var/lib/clinicalft")


@dataclass(frozen=True)
class Account:
    """The system account that a server runs as."""

    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        return self.uid == os.geteuid()


NOBODY = Account(65534, 65534)


def me() -> Account:
    return Account(os.geteuid(), os.getegid())


def private_folder(path: Path, owner: Account) -> Path:
    """Makes `path` a folder that belongs to `owner` alone (mode 0700), or raises Broken when it is somebody else's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    if path.is_symlink():
        raise Broken(f"{path} is a link that somebody else may have made: remove it.")
    found = path.stat()
    if found.st_uid != owner.uid:
        if os.geteuid() != 0:
            raise Broken(
                f"{path} belongs to another user (an earlier start as root?): remove it or give it back to you."
            )
        own_all(path, owner)
    if stat.S_IMODE(found.st_mode) != 0o700:
        path.chmod(0o700)
    return path


def own_all(path: Path, owner: Account) -> None:
    """Gives a folder with all that is in it to `owner`; links are not followed."""
    os.chown(path, owner.uid, owner.gid)
    for parent, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(parent) / name, owner.uid, owner.gid, follow_symlinks=False)


def first_closed_parent(path: Path, account: Account) -> Path | None:
    """The outermost folder on the way to `path` that `account` may not pass through, or None."""
    for folder in reversed(path.resolve().parents):
        if not folder.exists():
            return None
        found = folder.stat()
        if found.st_uid == account.uid:
            passable = found.st_mode & stat.S_IXUSR
        elif found.st_gid == account.gid:
            passable = found.st_mode & stat.S_IXGRP
        else:
            passable = found.st_mode & stat.S_IXOTH
        if not passable:
            return folder
    return None
