// The secret of a link stands behind its #, which browsers send nowhere. It goes from there into the form.
const secret = location.hash.slice(1);
if (secret) {
  history.replaceState(null, "", location.pathname + location.search);
  const form = document.getElementById("sign-in");
  form.elements.secret.value = secret;
  form.requestSubmit();
}
