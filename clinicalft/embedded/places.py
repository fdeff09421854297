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
    """The folder of a server's socket: inside `var`, or a short one of this user when that path is too long."""
    inside = var / "sockets" / server
    if len(os.fsencode(inside / ".s.PGSQL.5432.lock")) <= LONGEST_SOCKET_PATH:
        return inside
    return Path(tempfile.gettempdir()) / f"clinicalft-{os.getuid()}-{short_name(var)}-{server}"


def short_name(var: Path) -> str:
    """Eight characters that stand for the path of a state folder."""
    return hashlib.sha256(os.fsencode(var)).hexdigest()[:8]


def database_url(var: Path, name: str = DATABASE) -> str:
    """The URL of the embedded PostgreSQL of `var`."""
    return f"postgresql://{SUPERUSER}@/{name}?host={quote(str(socket_folder(var, 'postgres')), safe='')}"


def redis_url(var: Path) -> str:
    """The URL of the embedded Redis of `var`."""
    return f"unix://{quote(str(socket_folder(var, 'redis') / 'redis.sock'))}?db=0"


@dataclass(frozen=True)
class Account:
    """The system account that a server runs as."""

    uid: int
    gid: int

    @property
    def is_me(self) -> bool:
        return self.uid == os.geteuid()


def me() -> Account:
    return Account(os.geteuid(), os.getegid())


def private_folder(path: Path, owner: Account) -> Path:
    """Makes `path` a folder that belongs to `owner` alone (mode 0700), or raises Broken when it is somebody else's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        if path.is_symlink() and path.parent == Path(tempfile.gettempdir()):
            raise Broken(f"{path} is a link that somebody else may have made: remove it.") from None
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
