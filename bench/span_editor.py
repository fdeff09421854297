"""How fast the span editor opens and adds: 30,000 characters with 500 overlapping spans. Prints one JSON line.

python bench/span_editor.py [--no-highlights]
"""

import argparse
import json
import mimetypes
import random
import shutil
from pathlib import Path

from playwright.sync_api import Route, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
N_CHARACTERS, N_SPANS, N_ADDED, SEED = 30_000, 500, 20, 3
WORDS = ("patient denies", "chest pain", "dyspnoea", "fever", "40 mg daily", "المريض", "ضيق", "😀", "history of stroke")
HEAD = '<link rel="stylesheet" href="/bootstrap.min.css"><link rel="stylesheet" href="/static/css/app.css">'
BODY = """<div class="bench" id="editor"><script type="application/json">{config}</script>
<div class="note" data-part="text" tabindex="0"></div><div class="bench-side panel">
<ol class="span-list" data-part="list"></ol><input type="hidden" data-part="value"></div></div>"""
OPEN = """async () => {
  const { mount } = await import("/static/js/modules/span-editor.js");
  const begun = performance.now();
  mount(document.getElementById("editor"));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return performance.now() - begun;
}"""
ADD = """async (n) => {
  const note = document.querySelector(".note"), times = [];
  note.focus();
  for (let i = 0; i < n; i++) {
    const paragraph = note.querySelectorAll("p")[10 + i * 7];
    const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
    let text = walker.nextNode();
    while (text.length < 5) text = walker.nextNode();
    document.getSelection().setBaseAndExtent(text, 0, text, 5);
    const begun = performance.now();
    for (const key of ["Enter", "2"]) note.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - begun);
  }
  return times;
}"""


def sample() -> dict[str, object]:
    """A note in three scripts with spans that overlap, the same each time."""
    rng = random.Random(SEED)
    lines: list[str] = []
    while sum(map(len, lines)) + len(lines) <= N_CHARACTERS:
        lines.append(" ".join(rng.choices(WORDS, k=9)))
    starts = [rng.randrange(N_CHARACTERS - 100) for _ in range(N_SPANS)]
    spans = [
        {"start": start, "end": start + rng.randrange(3, 90), "label": f"l{i % 8}"} for i, start in enumerate(starts)
    ]
    labels = [{"value": f"l{i}", "name": f"Label {i}"} for i in range(8)]
    return {"text": "\n".join(lines)[:N_CHARACTERS], "labels": labels, "spans": spans}


def answer(route: Route) -> None:
    path = route.request.url.removeprefix("http://bench.test/")
    if not path:
        config = json.dumps(sample()).replace("<", "\\u003c")
        page = f'<!doctype html><html lang="en"><head>{HEAD}</head><body>{BODY.format(config=config)}</body></html>'
        return route.fulfill(body=page, content_type="text/html; charset=utf-8")
    file = ROOT / ("node_modules/bootstrap/dist/css/bootstrap.min.css" if path == "bootstrap.min.css" else path)
    return route.fulfill(body=file.read_bytes(), content_type=mimetypes.guess_type(path)[0] or "text/plain")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-highlights", action="store_true", help="as in a browser without the CSS Highlight API")
    without = parser.parse_args().no_highlights
    with sync_playwright() as playwright:
        path = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        if without:
            page.add_init_script("delete window.Highlight")
        page.route("**/*", answer)
        page.goto("http://bench.test/")
        opened, added = page.evaluate(OPEN), sorted(page.evaluate(ADD, N_ADDED))
        n = len(json.loads(page.input_value("[data-part=value]")))
        browser.close()
    result = {
        "characters": N_CHARACTERS,
        "spans": N_SPANS,
        "highlights": not without,
        "open_ms": round(opened),
        "add_ms_median": round(added[N_ADDED // 2]),
        "add_ms_worst": round(added[-1]),
        "spans_after": n,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
