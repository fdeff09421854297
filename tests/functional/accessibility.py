"""What axe-core, an accessibility checker, finds wrong with a page."""

from pathlib import Path
from typing import Any

from django.conf import settings
from playwright.sync_api import Page

AXE = (Path(settings.BASE_DIR) / "node_modules" / "axe-core" / "axe.min.js").read_text()
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
OF_COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
CHANGE = """async theme => {
  const root = document.documentElement;
  const before = root.dataset.theme;
  root.dataset.theme = theme;
  // Colours that change slowly begin with the next frame, and what lies inside them with the one after it.
  for (let frame = 0; frame < 3; frame++) {
    await new Promise(done => requestAnimationFrame(done));
    document.getAnimations().filter(each => each instanceof CSSTransition).forEach(each => each.finish());
  }
  return before;
}"""


def faults(page: Page) -> list[str]:
    """Each rule that the page breaks, with its places; in the other theme it is asked about colours alone."""
    if not page.evaluate("Boolean(window.axe)"):
        # axe is put in by the debugger, past the policy that refuses foreign scripts.
        page.evaluate(AXE)
    own = _broken(page, RULES)
    other = "light" if page.evaluate("document.documentElement.dataset.bsTheme") == "dark" else "dark"
    before = page.evaluate(CHANGE, other)
    in_other = _broken(page, OF_COLOURS)
    page.evaluate(CHANGE, before)
    return [*own, *(f"{other}: {fault}" for fault in in_other)]


def _broken(page: Page, rules: Any) -> list[str]:
    found: list[str] = page.evaluate(
        """rules => axe.run(document, {runOnly: rules, resultTypes: ["violations"]}).then(r => r.violations.map(v =>
          v.id + ": " + v.nodes.map(n => n.html + " " + (n.any[0]?.message ?? n.failureSummary)).join("; ")))""",
        rules,
    )
    return found
