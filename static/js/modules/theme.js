// The theme and the size of note text change at once, and the server remembers them.
import { say } from "./frame.js";

export function mount(form) {
  const onChange = async () => {
    const data = new FormData(form);
    const root = document.documentElement;
    root.dataset.theme = data.get("theme");
    root.dataset.textSize = data.get("text_size");
    const answer = await fetch(form.action, { method: "POST", body: data, redirect: "manual" }).catch(() => null);
    if (!answer || answer.status >= 400) say("Your choice holds on this page, but the server could not remember it.");
  };
  form.addEventListener("change", onChange);
  return () => form.removeEventListener("change", onChange);
}
