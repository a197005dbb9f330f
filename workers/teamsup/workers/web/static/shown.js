// What stands on the screen is not new any more. The line above it stays until the page is loaded again.

/** Tell the server which messages a page that is live shows. */
export function markShown() {
  const form = document.querySelector("[data-shown]");
  if (document.hidden || !form || form.dataset.sent === form.elements.newest.value) return;
  form.dataset.sent = form.elements.newest.value;
  const body = new URLSearchParams(new FormData(form)), headers = { Accept: "text/plain" };
  const sent = fetch(form.action, { method: "POST", body, headers });
  sent.then(() => form.closest("li").remove(), () => delete form.dataset.sent);
}
