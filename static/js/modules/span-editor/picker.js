// The one-line picker at the caret: a digit or a click picks, letters filter, Enter takes the first, Escape closes.

const MARGIN = 8;

function chip(option, digit, isFirst, onPick) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = `pick${isFirst ? " is-first" : ""}`;
  const badge = document.createElement("span");
  badge.className = `label-badge label-bg-${option.color}`;
  badge.textContent = option.letter;
  button.append(badge, option.name);
  const hint = document.createElement("kbd");
  Object.assign(hint, { className: "key", textContent: option.key ?? digit });
  hint.setAttribute("aria-hidden", "true");
  if (hint.textContent) button.append(hint);
  // The selection in the note must survive the press.
  button.addEventListener("pointerdown", (event) => event.preventDefault());
  button.addEventListener("click", () => onPick(option));
  return button;
}

/** A picker inside `root`. open(options, rect, onPick, title) shows it without taking the focus; press(event) feeds it keys. */
export function pickerIn(root, onClose) {
  const box = document.createElement("div");
  box.className = "picker";
  box.setAttribute("role", "group");
  box.hidden = true;
  const filter = document.createElement("input");
  Object.assign(filter, { type: "text", className: "picker-filter", placeholder: "filter", autocomplete: "off" });
  filter.setAttribute("aria-label", "Filter the labels");
  const row = document.createElement("div");
  row.className = "picker-row";
  box.append(row, filter);
  root.append(box);

  let options = [];
  let shown = [];
  let pick = () => {};

  function show() {
    const words = filter.value.trim().toLowerCase();
    shown = options.filter((option) => option.name.toLowerCase().includes(words) || String(option.value).toLowerCase().startsWith(words));
    const digit = (i) => (options.length === 1 ? "enter" : words || i > 8 ? "" : i + 1);
    const chips = shown.map((option, i) => chip(option, digit(i), i === 0 && Boolean(words), choose));
    if (!chips.length) chips.push(`Nothing is called "${filter.value}".`);
    row.replaceChildren(...chips);
  }

  function close() {
    if (box.hidden) return;
    const hadFocus = box.contains(document.activeElement);
    box.hidden = true;
    onClose(hadFocus);
  }

  function choose(option) {
    const chosen = pick;
    close();
    chosen(option);
  }

  function place(rect) {
    const left = Math.min(rect.left, window.innerWidth - box.offsetWidth - MARGIN);
    const below = rect.bottom + 6;
    const top = below + box.offsetHeight > window.innerHeight - MARGIN ? rect.top - box.offsetHeight - 6 : below;
    box.style.left = `${Math.max(MARGIN, left)}px`;
    box.style.top = `${Math.max(MARGIN, top)}px`;
  }

  function open(given, rect, onPick, title) {
    options = given;
    pick = onPick;
    filter.value = "";
    filter.hidden = given.length < 6;
    box.setAttribute("aria-label", title);
    show();
    box.hidden = false;
    place(rect);
  }

  /** Handles a key press while open; true when it was used. */
  function press(event) {
    if (box.hidden || event.ctrlKey || event.metaKey || event.altKey) return false;
    const inFilter = event.target === filter;
    if (event.key === "Escape") close();
    else if (event.key === "Enter" && !event.target.closest?.(".pick")) {
      if (shown.length && (inFilter || options.length === 1)) choose(shown[0]);
      else box.querySelector(".pick")?.focus();
    } else if (/^[1-9]$/.test(event.key) && options.length > 1 && !filter.value && shown[event.key - 1]) choose(shown[event.key - 1]);
    else if (!inFilter && /^\p{L}$/u.test(event.key)) {
      const byKey = options.find((option) => option.key === event.key.toLowerCase());
      if (byKey) choose(byKey);
      else if (filter.hidden) return false;
      else {
        filter.value = event.key;
        filter.focus();
        show();
      }
    } else if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      if (!box.contains(event.target) || inFilter) return false;
      const chips = [...box.querySelectorAll(".pick")];
      const step = event.key === "ArrowRight" ? 1 : -1;
      chips[(chips.indexOf(event.target) + step + chips.length) % chips.length].focus();
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  filter.addEventListener("input", show);
  box.addEventListener("keydown", press);
  return {
    open,
    close,
    press,
    focus: () => box.querySelector(".pick")?.focus(),
    contains: (node) => box.contains(node),
    destroy: () => box.remove(),
  };
}
