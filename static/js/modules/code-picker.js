// A combobox that asks the server: type, arrows choose, Enter takes. Tells `code-picked` with what was chosen.
//
// data-url answers GET ?q=words with JSON {results: [{value, name, detail, warning}]}, best first.

const REST_MS = 120;

class CodePicker {
  constructor(root) {
    this.root = root;
    this.input = root.querySelector("[role=combobox]");
    this.list = root.querySelector("[role=listbox]");
    this.live = root.querySelector("[role=status]");
    this.results = [];
    this.active = -1;
    this.abort = new AbortController();
    const { signal } = this.abort;
    this.input.addEventListener("input", () => this.onInput(), { signal });
    this.input.addEventListener("keydown", (event) => this.onKeydown(event), { signal });
    this.input.addEventListener("blur", () => this.close(), { signal });
    // The input keeps the focus while an option is pressed.
    this.list.addEventListener("pointerdown", (event) => event.preventDefault(), { signal });
    this.list.addEventListener("click", (event) => this.take(this.results[event.target.closest("[role=option]")?.dataset.index]), { signal });
  }

  onInput() {
    clearTimeout(this.timer);
    this.asking?.abort();
    const words = this.input.value.trim();
    this.takesFirst = false;
    if (!words) return this.close();
    this.isAsking = true;
    this.timer = setTimeout(() => this.ask(words), REST_MS);
  }

  async ask(words) {
    this.asking = new AbortController();
    const url = new URL(this.root.dataset.url, location.href);
    url.searchParams.set("q", words);
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, signal: this.asking.signal });
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      this.show((await answer.json()).results);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.show([]);
      this.live.textContent = "The search could not be done. Check the network and type again.";
    }
  }

  show(results) {
    this.results = results;
    this.isAsking = false;
    this.list.replaceChildren(...results.map((result, i) => this.option(result, i)));
    const n = results.length;
    this.live.textContent = n ? `${n} found` : "Nothing found. Try another word, or the code itself.";
    this.list.hidden = n === 0;
    this.input.setAttribute("aria-expanded", n > 0);
    this.setActive(n ? 0 : -1);
    if (this.takesFirst) this.take(results[0]);
    this.takesFirst = false;
  }

  option(result, index) {
    const item = document.createElement("li");
    item.setAttribute("role", "option");
    item.id = `${this.list.id}-${index}`;
    item.dataset.index = index;
    const add = (className, text) => {
      if (!text) return;
      const part = document.createElement("span");
      Object.assign(part, { className, textContent: text });
      item.append(part);
    };
    add("code-value mono", result.value);
    add("code-name", result.name);
    add("small quiet", result.detail);
    add("code-warning", result.warning);
    return item;
  }

  setActive(index) {
    this.active = index;
    [...this.list.children].forEach((item, i) => item.setAttribute("aria-selected", i === index));
    if (index < 0) return this.input.removeAttribute("aria-activedescendant");
    this.input.setAttribute("aria-activedescendant", this.list.children[index].id);
    this.list.children[index].scrollIntoView({ block: "nearest" });
  }

  onKeydown(event) {
    const n = this.results.length;
    if (event.key === "Escape" && !this.list.hidden) this.close();
    // Typed faster than the server answers: Enter takes the best of what comes.
    else if (event.key === "Enter" && this.isAsking && !event.ctrlKey && !event.metaKey) this.takesFirst = true;
    else if (this.list.hidden) return;
    else if (event.key === "ArrowDown") this.setActive((this.active + 1) % n);
    else if (event.key === "ArrowUp") this.setActive((this.active - 1 + n) % n);
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.take(this.results[this.active]);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  take(result) {
    if (!result) return;
    this.input.value = "";
    this.close();
    this.live.textContent = `Added ${result.value} ${result.name}`;
    this.root.dispatchEvent(new CustomEvent("code-picked", { bubbles: true, detail: result }));
  }

  close() {
    clearTimeout(this.timer);
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", false);
    this.setActive(-1);
  }
}

export function mount(root) {
  const picker = new CodePicker(root);
  return () => picker.abort.abort();
}
