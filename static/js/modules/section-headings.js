// Recognised headings of a note stay in view while their section does, and a list of them leads to each.
import { heading } from "../lib/headings.js";

export function mount(root) {
  const text = root.querySelector("[data-part=text]");
  const list = root.querySelector("[data-part=sections]");
  const found = [...text.querySelectorAll(":scope > p")].map((p) => [p, heading(p.textContent)]).filter(([, name]) => name);
  if (found.length < 2) return () => {};
  const links = found.map(([paragraph, name], i) => {
    paragraph.classList.add("note-heading");
    paragraph.id ||= `section-${i + 1}`;
    const link = document.createElement("a");
    Object.assign(link, { href: `#${paragraph.id}`, textContent: name.charAt(0) + name.slice(1).toLowerCase() });
    return link;
  });
  list?.replaceChildren(
    ...links.map((link) => {
      const item = document.createElement("li");
      item.append(link);
      return item;
    }),
  );
  // A sticky paragraph is always "in view", so its link scrolls to the line before it moved.
  const onClick = (event) => {
    const at = links.indexOf(event.target.closest("a"));
    if (at < 0) return;
    event.preventDefault();
    const [paragraph] = found[at];
    paragraph.classList.remove("note-heading");
    paragraph.scrollIntoView({ block: "start" });
    paragraph.classList.add("note-heading");
  };
  list?.addEventListener("click", onClick);
  return () => {
    list?.removeEventListener("click", onClick);
    for (const [paragraph] of found) paragraph.classList.remove("note-heading");
  };
}
