"""The documentation: its links lead somewhere, what it tells people to type exists, and every role has a page."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands

from clinicalft.roles import ROLES
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
IMAGES = ROOT / "docs" / "images"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"[a-z]+:")
COMMAND = re.compile(r"manage\.py ([a-z][a-z_]*)")
SCRIPT = re.compile(r"(?<![\w/.])((?:bin|\.ci|bench|docs)/[\w.-]+)")
MAX_IMAGE_BYTES = 200_000


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def links(page: Path) -> Iterator[tuple[str, str]]:
    """(path, anchor) of every link and image that stays inside the repository; images inside links included."""
    for target in LINK.findall(text(page)):
        if not OUTSIDE.match(target):
            path, _, anchor = target.partition("#")
            yield path, anchor


def anchors(page: Path) -> set[str]:
    """What headings can be linked by, as Markdown viewers make it of their words."""
    heads = re.findall(r"^#+ (.+)$", text(page), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_and_image_leads_somewhere(page: Path) -> None:
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert ROOT in target.parents, f"{path} in {name(page)} leaves the repository"
        assert target.exists(), f"{path} in {name(page)}"
        assert not anchor or anchor in anchors(target), f"{path}#{anchor} in {name(page)}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_people_are_told_to_type_exists(page: Path) -> None:
    assert set(COMMAND.findall(text(page))) <= set(get_commands())
    for script in SCRIPT.findall(text(page)):
        assert (ROOT / script.rstrip(".")).exists(), f"{script} in {name(page)}"


@pytest.mark.parametrize("role", ROLES)
def test_every_role_has_a_page_that_the_readme_and_the_index_link(role: str) -> None:
    page = ROOT / "docs" / "users" / f"{role}.md"

    assert text(page).startswith("# For ")
    assert f"docs/users/{role}.md" in {path for path, _ in links(ROOT / "README.md")}
    assert f"users/{role}.md" in {path for path, _ in links(ROOT / "docs" / "index.md")}


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        targets = [(page.parent / path).resolve() for path, _ in links(page) if path.endswith(".md")]
        waiting += [target for target in targets if target.exists()]

    assert {name(page) for page in PAGES} <= {name(page) for page in reached}


def test_every_image_is_shown_somewhere_and_small() -> None:
    shown = {(page.parent / path).resolve() for page in PAGES for path, _ in links(page) if path.endswith(".png")}

    assert set(IMAGES.glob("*.png")) <= shown
    assert [image.name for image in IMAGES.glob("*.png") if image.stat().st_size > MAX_IMAGE_BYTES] == []


def test_a_decision_fits_on_a_page_and_says_context_decision_and_consequences() -> None:
    for page in (ROOT / "docs" / "adr").glob("*.md"):
        assert len(text(page).splitlines()) <= 60, page.name
        assert all(f"**{part}.**" in text(page) for part in ("Context", "Decision", "Consequences")), page.name
