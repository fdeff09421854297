// One label for the note: radio buttons in [data-part=choices] become the payload {label}; undo goes back through the choices.

export function mount(root) {
  const choices = root.querySelector("[data-part=choices]");
  const payload = root.querySelector("[data-part=payload]");
  const undo = root.querySelector("[data-part=undo]");
  const past = [];
  let current = JSON.parse(payload.value).label;

  function set(label) {
    current = label;
    payload.value = JSON.stringify({ label });
    for (const radio of choices.querySelectorAll("input")) radio.checked = radio.value === label;
    undo.disabled = past.length === 0;
  }

  function onChange(event) {
    past.push(current);
    set(event.target.value);
  }

  function onUndo() {
    set(past.pop());
    payload.dispatchEvent(new Event("input", { bubbles: true }));
  }

  // What was pressed before this was loaded counts, too.
  const early = choices.querySelector("input:checked");
  if (early && early.value !== current) onChange({ target: early });
  choices.addEventListener("change", onChange);
  undo.addEventListener("click", onUndo);
  return () => {
    choices.removeEventListener("change", onChange);
    undo.removeEventListener("click", onUndo);
  };
}
