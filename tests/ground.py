"""What every test run stands on, in place before Django reads its settings: servers, state folder, keys.

Loaded by `-p tests.ground` in pyproject.toml. The servers are those that DATABASE_URL and REDIS_URL name, else
embedded ones of this run. Each xdist process has a state folder and a Redis database of its own.
"""

import atexit
import contextlib
import gc
import os
import re
import shutil
import tempfile
from pathlib import Path

from clinicalft.embedded.supervisor import servers

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def prepare_run() -> None:
    """Starts what is missing, once for all processes of the run."""
    # Short, because unix sockets live in it; below the system's folder, because root's PostgreSQL must reach it.
    root = Path(tempfile.mkdtemp(prefix="clinicalft-test-"))
    root.chmod(0o755)
    os.environ["CLINICALFT_VAR"] = str(root)
    ending = contextlib.ExitStack()
    atexit.register(ending.close)
    ending.callback(shutil.rmtree, root, ignore_errors=True)
    os.environ.update(ending.enter_context(servers(root, say=lambda line: None, durable=False)))


def prepare_worker() -> None:
    """A state folder and a Redis database of this process's own."""
    os.environ["CLINICALFT_VAR"] = str(Path(os.environ["CLINICALFT_VAR"]) / WORKER)
    number = int(WORKER.removeprefix("gw")) + 1
    url = os.environ["REDIS_URL"]
    if url.startswith("unix:"):
        base, _, _ = url.partition("?")
        os.environ["REDIS_URL"] = f"{base}?db={number}"
    else:
        os.environ["REDIS_URL"] = re.sub(r"(://[^/]+)(/\d*)?", rf"\1/{number}", url, count=1)


def pytest_collection() -> None:
    """What is imported now stays, half a million objects: they are not searched for garbage, now or in any test, which
    would take a tenth of the processor's time."""
    gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


for _name in ("PRODUCTION", "DEBUG", "MODELS_DIR", "RUNS_DIR", "STATIC_ROOT"):
    os.environ.pop(_name, None)
if WORKER:
    prepare_worker()
else:
    prepare_run()
