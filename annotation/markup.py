"""Guidelines as safe HTML. People write them in Markdown; nothing in it can load, link or run anything."""

import difflib

import nh3
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt

TAGS = {
    "h1", "h2", "h3", "h4", "h5", "h6", "p", "ul", "ol", "li", "strong", "em", "s", "code", "pre", "blockquote", "hr",
    "br", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
_markdown = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
_markdown.disable(["link", "image", "autolink", "html_inline", "html_block", "reference"])


def guideline_html(text: str) -> SafeString:
    """`text` as HTML of headings, lists, tables and emphasis only; HTML, links and images in it stay plain text."""
    return SafeString(nh3.clean(_markdown.render(text), tags=TAGS, attributes={}))


def changed_lines(before: str, after: str) -> list[tuple[str, str]]:
    """What changed from one guideline version to the next: ("added" or "removed", line), in the order of the text."""
    kinds = {"+ ": "added", "- ": "removed"}
    compared = difflib.ndiff(before.splitlines(), after.splitlines())
    return [(kinds[line[:2]], line[2:]) for line in compared if line[:2] in kinds and line[2:].strip()]
