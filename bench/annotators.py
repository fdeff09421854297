"""How fast clinicians get on: a round of many items under a closed loop of annotators over HTTP. Prints one JSON line.

python bench/annotators.py [--items N] [--annotations N] [--seconds S] [--annotators N] [--no-browser]

It makes a database of its own on the embedded PostgreSQL (or on the server that DATABASE_URL names, and drops it
again), fills it, and starts the web exactly as bin/up does. Each annotator logs in, then without a pause saves a draft
of a coding with eight spans of evidence and submits it. Runs: one annotator and then all of them step by step (next,
open, draft, submit: as other tools are measured), then all of them as the browser does it, where the answer to a
submission is the next item. Clients are processes of their own. Afterwards a cold Chromium opens the workbench.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.annotators_client import Annotator, Log, Site, annotate  # noqa: E402
from clinicalft.embedded import up  # noqa: E402
from clinicalft.embedded.supervisor import Supervisor, servers  # noqa: E402

CLIENT_PROCESSES, N_BROWSERS, FEWEST = 2, 5, 20
# The background of PostgreSQL writes to disk what the others made, vacuums and analyses.
PARTS = ("web", "postgres", "postgres_background")


@contextlib.contextmanager
def own_database(url: str) -> Iterator[str]:
    """The URL of a new, empty database on the server of `url`, which is dropped afterwards."""
    name = sql.Identifier(f"clinicalft_bench_{os.getpid()}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        try:
            yield urlsplit(url)._replace(path=f"/clinicalft_bench_{os.getpid()}").geturl()
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


# ---------- what it costs the server


class Meter:
    """Processor seconds of the parts of the server while it runs, read twice a second."""

    def __init__(self, web: psutil.Process, is_own_server: bool) -> None:
        self.web, self.is_own_server = web, is_own_server
        self.first: dict[tuple[str, int], float] = {}
        self.last: dict[tuple[str, int], float] = {}
        self.stop = threading.Event()

    def __enter__(self) -> "Meter":
        from django.db import connection

        # Ours is no connection of the web, and what it used for the filling is not to be counted.
        connection.close()
        self.database = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
        self._read()
        self.first = dict(self.last)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.stop.set()
        self.thread.join()
        self._read()
        self.database.close()

    def seconds(self, part: str) -> float:
        """Used by one of PARTS since the start."""
        return sum(used - self.first.get(key, 0) for key, used in self.last.items() if key[0] == part)

    def _run(self) -> None:
        while not self.stop.wait(0.5):
            self._read()

    def _read(self) -> None:
        web = [self.web, *self.web.children(recursive=True)]
        for part, pid in [*(("web", process.pid) for process in web), *self._backends()]:
            with contextlib.suppress(psutil.NoSuchProcess):
                used = psutil.Process(pid).cpu_times()
                self.last[part, pid] = used.user + used.system

    def _backends(self) -> list[tuple[str, int]]:
        """Processes of PostgreSQL that answer the web, and on a server of our own those in the background."""
        rows = self.database.execute(
            "SELECT CASE WHEN backend_type = 'client backend' THEN 'postgres' ELSE 'postgres_background' END, pid"
            " FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND (datname = current_database() OR (%s AND backend_type <> 'client backend'))",
            [self.is_own_server],
        )
        return list(rows.fetchall())


def memory(web: psutil.Process) -> dict[str, float]:
    """Megabytes of the web's processes: resident, and with shared pages counted once (pss)."""
    found = [process.memory_full_info() for process in (web, *web.children(recursive=True))]
    return {
        "processes": len(found),
        "rss_mb": round(sum(one.rss for one in found) / 1e6, 1),
        "pss_mb": round(sum(getattr(one, "pss", 0) for one in found) / 1e6, 1),
    }


def closed_loop(
    site: Site, n: int, seconds: float, web: psutil.Process, *, is_own_server: bool, step_by_step: bool
) -> dict[str, Any]:
    """`n` annotators without a pause for `seconds`, and whether anything was handed out twice or lost."""
    n_processes = min(n, CLIENT_PROCESSES)
    context, log = multiprocessing.get_context("spawn"), Log()
    with context.Manager() as manager, ProcessPoolExecutor(n_processes, mp_context=context) as pool:
        ready = manager.Barrier(n_processes + 1)
        begun = [
            pool.submit(annotate, site, site.emails[i:n:n_processes], seconds, ready, step_by_step=step_by_step)
            for i in range(n_processes)
        ]
        ready.wait(timeout=300)
        with Meter(web, is_own_server) as meter:
            for each in begun:
                log.add(each.result(timeout=seconds + 120))
    handed, kept, n_done = Counter(log.handed), submitted(site), len(log.submitted)
    cpu = {part: round(meter.seconds(part) * 1000 / max(1, n_done), 1) for part in PARTS}
    return {
        "annotators": n,
        "as": "step by step" if step_by_step else "the browser does",
        "items_done": n_done,
        "items_a_second": round(n_done / seconds, 1),
        **{f"{step}_ms": quantiles(values) for step, values in log.milliseconds.items()},
        "server_cpu_ms_an_item": {**cpu, "all": round(sum(cpu.values()), 1)},
        "client_cpu_ms_an_item": round(log.processor_seconds * 1000 / max(1, n_done), 1),
        # Each item has one place left, so it may be handed to one person only.
        "double_claims": sum(times > 1 for times in handed.values()),
        "lost_submissions": len(set(log.submitted) - kept),
        "faults": log.faults[:3],
        "load_average": os.getloadavg()[0],
    }


def submitted(site: Site) -> set[tuple[int, str]]:
    """(item number, log-in) of every submitted annotation in the database."""
    from annotation.models import Annotation

    rows = Annotation.objects.filter(round__number=site.round_number, status="SUBMITTED")
    return set(rows.values_list("item__number", "annotator__email"))


def quantiles(values: list[float]) -> dict[str, float]:
    """p50 and p95 in milliseconds, and of how many."""
    cuts = statistics.quantiles(values, n=100, method="inclusive") if len(values) > 1 else [values[0]] * 99
    return {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "n": len(values)}


# ---------- the page in a browser

WATCH = """
addEventListener("click", () => sessionStorage.setItem("clicked", Date.now()), { capture: true });
let isMounted = false;
new MutationObserver(() => {
  if (isMounted || !document.querySelector(".bench[data-mounted]")) return;
  isMounted = true;
  const root = document.documentElement, clicked = sessionStorage.getItem("clicked");
  requestAnimationFrame(() => setTimeout(() => root.setAttribute("data-markable", Date.now() - clicked)));
}).observe(document, { subtree: true, childList: true, attributes: true });
"""


def cold_pages(site: Site) -> dict[str, Any]:
    """The workbench opened by a click with an empty browser cache: time until it is mounted, and what it transfers."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    times, weights = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        for email in site.emails[-N_BROWSERS:]:
            person = Annotator(site, email)
            person.log_in()
            took, weight = _cold_page(browser, site, person)
            times.append(took)
            weights.append(weight)
        browser.close()
    return {
        "click_to_markable_ms": {"median": statistics.median(times), "max": max(times), "n": len(times)},
        "script_and_style_kb": round(max(weights) / 1000, 1),
    }


def _cold_page(browser: Any, site: Site, person: Annotator) -> tuple[float, int]:
    address = f"http://127.0.0.1:{site.port}"
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    context.add_cookies([{"name": name, "value": value, "url": address} for name, value in person.cookies.items()])
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(address + site.work)
    context.new_cdp_session(page).send("Network.clearBrowserCache")
    loaded: list[Any] = []
    page.on("requestfinished", lambda request: loaded.append(request))
    page.get_by_role("button", name="Next item").click()
    page.wait_for_selector("html[data-markable]", state="attached", timeout=60_000)
    page.wait_for_load_state("networkidle")
    took = page.evaluate("document.documentElement.dataset.markable")
    weight = sum(one.sizes()["responseBodySize"] for one in loaded if one.resource_type in ("script", "stylesheet"))
    context.close()
    return float(took), weight


# ---------- all of it


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--annotations", type=int, default=20_000, help="already given; at most four for each item")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--annotators", type=int, default=20)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--no-browser", action="store_true", help="without the page in Chromium")
    options = parser.parse_args()
    if not 0 <= options.annotations <= 4 * options.items or min(options.items, options.annotators) < 1:
        parser.error("--annotations must be between 0 and four times --items, and --annotators at least 1")
    return options


def run(options: argparse.Namespace, var: Path, urls: dict[str, str]) -> dict[str, Any]:
    """Fills the database, starts the web, measures; on running servers."""
    import django

    is_own_server = not os.environ.get("DATABASE_URL")
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "clinicalft.settings",
        "CLINICALFT_VAR": str(var),
        "COLLECTED_STATIC": "true",
        **urls,
    }
    os.environ.update(environment)
    up.manage(environment, "migrate", "--noinput", "--verbosity", "0")
    up.collect_static(environment, var)
    django.setup()
    from bench.annotators_site import make_site

    up.say("filling the database")
    port = up.free_port(options.port)
    n_people = max(options.annotators, FEWEST) + N_BROWSERS
    site = make_site(port, options.items, options.annotations, n_people)
    supervisor = Supervisor(up.say)
    web = next(process for process in up.programs(environment, var, port) if process.name == "web")
    try:
        supervisor.add(up.started(web))
        up.wait_for_web(port, supervisor)
        assert web.child is not None
        return measure(options, site, psutil.Process(web.child.pid), is_own_server)
    finally:
        supervisor.stop()


def measure(options: argparse.Namespace, site: Site, web: psutil.Process, is_own_server: bool) -> dict[str, Any]:
    """The figures of both loops and of the page."""
    up.say("annotating")
    loops = [
        closed_loop(site, n, options.seconds, web, is_own_server=is_own_server, step_by_step=step_by_step)
        for n, step_by_step in ((1, True), (options.annotators, True), (options.annotators, False))
    ]
    found = {
        "items": options.items, "annotations": options.annotations, "characters_a_note": 2500, "spans": 8,
        "seconds": options.seconds, "processors": os.cpu_count(), "runs": loops, "web_memory": memory(web),
    }  # fmt: skip
    if not options.no_browser:
        up.say("opening the page")
        found["page"] = cold_pages(site)
    return found


def main() -> None:
    options = parse()
    var = Path(tempfile.mkdtemp(prefix="clinicalft-bench-"))
    # Below the system's folder and open to pass through: root's PostgreSQL runs as another user.
    var.chmod(0o755)
    signal.signal(signal.SIGTERM, up.interrupt)
    try:
        # Progress goes to stderr: stdout has the one line with the figures.
        with (
            contextlib.redirect_stdout(sys.stderr),
            servers(var, up.say) as urls,
            own_database(urls["DATABASE_URL"]) as url,
        ):
            found = run(options, var, {**urls, "DATABASE_URL": url})
    finally:
        shutil.rmtree(var, ignore_errors=True)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
