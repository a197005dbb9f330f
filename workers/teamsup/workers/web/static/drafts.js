// What a person types stays with this tab until it is sent: a session may end, or the page go away, while they write.
const storage = sessionStorage;
const key = (field) => `draft ${location.pathname} ${field.name}`;
const fields = (root) => root.querySelectorAll("textarea");

/** Give each field its draft again, and keep what is typed from now on. */
export function keepDrafts() {
  // A notice is the answer to a form that was accepted. Without one, the sign-in may have come instead of an answer.
  const isAccepted = document.getElementById("notice")?.textContent;
  for (const field of fields(document)) {
    field.value ||= storage.getItem(key(field)) ?? (isAccepted ? null : storage.getItem(`sent ${key(field)}`)) ?? "";
    field.addEventListener("input", () => storage.setItem(key(field), field.value));
  }
  for (const each of Object.keys(storage)) if (each.startsWith("sent ")) storage.removeItem(each);
}

/** A form leaves this page. Its texts are kept until the next page, which may be that of the sign-in. */
export function holdDrafts(form) {
  if (form.action.endsWith("/sign-out")) storage.clear();
  for (const field of fields(form)) {
    storage.setItem(`sent ${key(field)}`, field.value);
    storage.removeItem(key(field));
  }
}

/** A form was sent, and its page stays. */
export function dropDrafts(form) {
  for (const field of fields(form)) storage.removeItem(key(field));
}
