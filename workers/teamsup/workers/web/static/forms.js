// Send each form once, however often its button is pressed. One with data-live leaves the page where it is.
import { dropDrafts, holdDrafts } from "./drafts.js";

const RETRY_MS = 10000;
const sent = new WeakSet();

export function sendForms(isFrozen) {
  addEventListener("submit", async (event) => {
    const form = event.target;
    if (isFrozen() || sent.has(form)) return event.preventDefault();
    sent.add(form);
    if (!form.matches("[data-live]")) {
      holdDrafts(form);
      // If the next page does not come, the person may try again.
      return setTimeout(() => sent.delete(form), RETRY_MS);
    }
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    const headers = { Accept: "text/plain" };
    const response = await fetch(form.action, { method: "POST", body, headers }).catch(() => null);
    if (response?.ok) form.reset(), dropDrafts(form);
    form.querySelector("output").textContent = response ? await response.text() : "Not sent. Try again.";
    sent.delete(form);
  });
}

/** The page is shown again: its forms may be sent again. */
export function forgetSent() {
  for (const form of document.forms) sent.delete(form);
}
