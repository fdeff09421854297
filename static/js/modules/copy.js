// Copies data-copy="text", or the text of the element that data-copy-from="#id" names, and says so on the button.

export function mount(button) {
  const before = button.textContent;
  const onClick = async () => {
    const text = button.dataset.copy ?? document.querySelector(button.dataset.copyFrom).textContent;
    const done = await navigator.clipboard.writeText(text).then(() => true, () => false);
    button.textContent = done ? "Copied" : "Select it and copy by hand";
    setTimeout(() => (button.textContent = before), 2500);
  };
  button.addEventListener("click", onClick);
  return () => button.removeEventListener("click", onClick);
}
