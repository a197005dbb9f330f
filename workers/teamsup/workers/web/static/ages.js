// Ages, from the server's clock. Evidence ages too: a state whose evidence is older than its limit is not heard.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
let offset = 0;

/** Take over the server's clock, in Unix seconds. */
export const setClock = (now) => (offset = now * 1000 - Date.now());
export const serverNow = (at = Date.now()) => (at + offset) / 1000;

export function clockTime(seconds) {
  const at = new Date(seconds * 1000);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

function span(seconds, units) {
  const first = UNITS.findIndex(([, size]) => seconds >= size);
  const parts = [];
  let left = Math.floor(seconds);
  for (const [name, size] of UNITS.slice(first < 0 ? 3 : first).slice(0, units)) {
    parts.push(`${Math.floor(left / size)} ${name}`);
    left %= size;
  }
  return parts.filter((part, at) => at === 0 || !part.startsWith("0 ")).join(" ");
}

export function showAges(isLive, root = document) {
  const now = serverNow();
  for (const time of root.querySelectorAll("time[data-age]")) {
    const at = Date.parse(time.dateTime) / 1000;
    const [form, units] = [time.dataset.age || "ago", Number(time.dataset.units || 1)];
    const length = span(Math.abs(now - at), units);
    const ago = at - now > 10 ? `${length} ahead of the clock` : now - at < 1 ? "now" : `${length} ago`;
    const live = { ago, for: `for ${length}`, in: `in ${length}`, span: length }[form];
    const text = isLive ? live : form === "span" || form === "for" ? `since ${clockTime(at)}` : `at ${clockTime(at)}`;
    if (time.textContent !== text) time.textContent = text;
  }
  if (isLive) for (const state of root.querySelectorAll("[data-limit]")) checkLimit(state, now);
}

function checkLimit(state, now) {
  const time = state.querySelector("time");
  if (!time || now - Date.parse(time.dateTime) / 1000 <= Number(state.dataset.limit)) return;
  state.className = "state silent";
  state.querySelector("use")?.setAttribute("href", "#silent");
  state.querySelector("b").textContent = "not heard";
}
