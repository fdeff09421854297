"""Annotators over HTTP, as their browsers do it, for bench/annotators.py. Nothing of Django is imported here."""

import http.client
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

PASSWORD, SLUG = "only for this measurement", "bench"
CODES = {
    "J44.1": ("worsening breathlessness", "cough with yellow sputum"),
    "I10": ("blood pressure of 168/94", "lisinopril"),
    "E11.9": ("a blood sugar of 214", "metformin twice daily"),
    "M17.11": ("pain of the right knee", "stiff each morning"),
}
HEAD = (
    "HISTORY OF PRESENT ILLNESS\nSeen for worsening breathlessness over five days and a cough with yellow sputum. "
    "There was a blood pressure of 168/94 at triage although lisinopril is taken every day, and a blood sugar of 214 "
    "on metformin twice daily. There is also pain of the right knee, which is stiff each morning.\n\n"
)


def payload() -> dict[str, Any]:
    """Four codes with two spans of evidence each; every note begins with the text that they point into."""

    def span(quote: str) -> dict[str, Any]:
        start = HEAD.index(quote)
        return {"start": start, "end": start + len(quote), "quote": quote}

    return {"codes": [{"code": code, "evidence": [span(quote) for quote in quotes]} for code, quotes in CODES.items()]}


@dataclass(frozen=True)
class Site:
    """Where the annotators work."""

    port: int
    round_number: int
    emails: tuple[str, ...]

    @property
    def work(self) -> str:
        return f"/projects/{SLUG}/work/{self.round_number}/"


@dataclass
class Log:
    """What one annotator, or all of them together, saw: milliseconds by step, and which items they had; and the
    processor seconds of their process."""

    milliseconds: dict[str, list[float]] = field(default_factory=dict)
    handed: list[int] = field(default_factory=list)
    submitted: list[tuple[int, str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    processor_seconds: float = 0.0

    def add_time(self, step: str, begun: float) -> None:
        self.milliseconds.setdefault(step, []).append((time.perf_counter() - begun) * 1000)

    def add(self, other: "Log") -> None:
        for step, values in other.milliseconds.items():
            self.milliseconds.setdefault(step, []).extend(values)
        self.handed += other.handed
        self.submitted += other.submitted
        self.faults += other.faults
        self.processor_seconds += other.processor_seconds


@dataclass(frozen=True)
class Answer:
    """What came back: `url` is where it leads, by redirect or by htmx."""

    status: int
    url: str
    content: bytes


class Annotator:
    """A person with one connection that is kept open, as a browser keeps it."""

    def __init__(self, site: Site, email: str) -> None:
        self.site, self.email = site, email
        self.cookies: dict[str, str] = {}
        self.connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)

    def ask(self, method: str, path: str, values: dict[str, Any] | None = None, *, is_htmx: bool = False) -> "Answer":
        """The answer to one request. A connection that the server closed meanwhile is opened again."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        body = None
        if is_htmx:
            headers["HX-Request"] = "true"
        if values is not None:
            headers |= {"Content-Type": "application/x-www-form-urlencoded", "X-CSRFToken": self.cookies["csrftoken"]}
            body = urlencode(values)
        try:
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self.connection.close()
            self.connection.request(method, path, body, headers)
            answer = self.connection.getresponse()
        content = answer.read()
        for name, value in re.findall(r"^(\w+)=([^;]*)", "\n".join(answer.headers.get_all("Set-Cookie") or []), re.M):
            self.cookies[name] = value
        url = answer.headers.get("Location") or answer.headers.get("HX-Push-Url") or ""
        return Answer(answer.status, url, content)

    def log_in(self) -> None:
        self.ask("GET", "/login/")
        answer = self.ask("POST", "/login/", {"username": self.email, "password": PASSWORD})
        if answer.status != 302:
            raise SystemExit(f"{self.email} could not log in: {answer.status}")

    def work(self, until: float, *, step_by_step: bool) -> Log:
        """Items without a pause until the clock says so, or none is left."""
        log, item = Log(), ""
        values = {"payload": json.dumps(payload()), "seconds": 60, "comment": ""}
        while time.monotonic() < until:
            item = item or self._open(log)
            number = item.removeprefix(self.site.work).strip("/")
            if not number.isdigit():
                log.faults.append(f"next: {item}")
                return log
            log.handed.append(int(number))
            self._timed(log, "draft", 200, "POST", f"{item}draft/", {**values, "revision": 0})
            step, expected = ("submit", 302) if step_by_step else ("submit_and_next", 200)
            answer = self._timed(
                log, step, expected, "POST", f"{item}submit/", {**values, "revision": 1}, is_htmx=not step_by_step
            )
            if answer.status == expected:
                log.submitted.append((int(number), self.email))
            item = "" if step_by_step else answer.url
        return log

    def _open(self, log: Log) -> str:
        """Asks for the next item and opens it; its address, or whatever else the server says instead."""
        begun = time.perf_counter()
        item = self.ask("POST", f"{self.site.work}next/", {}).url
        answer = self.ask("GET", item)
        log.add_time("open_next", begun)
        return item if answer.status == 200 else f"{item} {answer.status}"

    def _timed(self, log: Log, step: str, expected: int, *request: Any, **options: Any) -> "Answer":
        begun = time.perf_counter()
        answer = self.ask(*request, **options)
        log.add_time(step, begun)
        if answer.status != expected:
            log.faults.append(f"{step}: {answer.status} {answer.content[:200]!r}")
        return answer


def annotate(site: Site, emails: tuple[str, ...], seconds: float, ready: Any, *, step_by_step: bool) -> Log:
    """One client process: logs its people in, waits for the others, and lets all work at once."""
    people = [Annotator(site, email) for email in emails]
    for person in people:
        person.log_in()
    ready.wait(timeout=300)
    until, log, used = time.monotonic() + seconds, Log(), time.process_time()
    with ThreadPoolExecutor(len(people)) as threads:
        for each in threads.map(lambda person: person.work(until, step_by_step=step_by_step), people):
            log.add(each)
    log.processor_seconds = time.process_time() - used
    return log
