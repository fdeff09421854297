// Asks before an act that cannot be taken back: data-confirm="sentence" on a form, a button or a link, and hx-confirm.

function ask(question) {
  const dialog = document.getElementById("confirm-sheet");
  dialog.querySelector("[data-part=question]").textContent = question;
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    const yes = () => dialog.close("yes");
    dialog.querySelector("[data-part=yes]").addEventListener("click", yes);
    dialog.addEventListener(
      "close",
      () => {
        dialog.querySelector("[data-part=yes]").removeEventListener("click", yes);
        resolve(dialog.returnValue === "yes");
      },
      { once: true },
    );
  });
}

const agreed = new WeakSet();

async function onSubmit(event) {
  const form = event.target;
  const question = event.submitter?.dataset.confirm || form.dataset.confirm;
  if (!question || agreed.delete(form)) return;
  event.preventDefault();
  event.stopPropagation();
  const { submitter } = event;
  if (!(await ask(question))) return;
  agreed.add(form);
  form.requestSubmit(submitter);
}

async function onClick(event) {
  const link = event.target.closest("a[data-confirm]");
  if (!link) return;
  event.preventDefault();
  if (await ask(link.dataset.confirm)) location.assign(link.href);
}

export function mountConfirm() {
  // Capturing: the question comes before htmx or any module sees the submit.
  document.addEventListener("submit", onSubmit, true);
  document.addEventListener("click", onClick);
  document.addEventListener("htmx:confirm", async (event) => {
    if (!event.detail.question) return;
    event.preventDefault();
    if (await ask(event.detail.question)) event.detail.issueRequest(true);
  });
}
