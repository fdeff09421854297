// Files dropped on the box land in its own file input, which works without this too; their names and sizes are listed.

const size = (bytes) => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

export function mount(box) {
  const input = box.querySelector("input[type=file]");
  const list = box.querySelector("[data-part=files]");
  const show = () => {
    list.replaceChildren(
      ...[...input.files].map((file) => {
        const item = document.createElement("li");
        item.textContent = `${file.name}, ${size(file.size)}`;
        return item;
      }),
    );
  };
  const over = (event) => {
    event.preventDefault();
    box.classList.add("is-over");
  };
  const leave = () => box.classList.remove("is-over");
  const drop = (event) => {
    event.preventDefault();
    leave();
    const chosen = new DataTransfer();
    for (const file of input.multiple ? event.dataTransfer.files : [event.dataTransfer.files[0]]) chosen.items.add(file);
    input.files = chosen.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  };
  const listeners = { dragover: over, dragleave: leave, drop };
  for (const [name, listener] of Object.entries(listeners)) box.addEventListener(name, listener);
  input.addEventListener("change", show);
  return () => {
    for (const [name, listener] of Object.entries(listeners)) box.removeEventListener(name, listener);
    input.removeEventListener("change", show);
  };
}
