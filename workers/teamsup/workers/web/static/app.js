// Keep the page live: one stream says which regions have changed, and each is fetched and changed in place.
// A page that does not know says so, and freezes.
import { clockTime, serverNow, setClock, showAges } from "./ages.js";
import { morphChildren } from "./morph.js";

const SILENCE_MS = 20000, FROZEN_MS = 5000, WAIT_MS = 10000, CALM_MS = 1000;
const find = (id) => document.getElementById(id);
const address = (key, value) => {
  const url = new URL(location.href);
  url.searchParams.set(key, value);
  return url.pathname + url.search;
};

let stream = null, live = false, since = 0, heardAt = 0, tickedAt = Date.now(), pause = 500, retry = 0;
const touched = new WeakMap(), waiting = new Map();
let pressed = null;

function connect() {
  clearTimeout(retry);
  stream?.close();
  if (document.hidden) return;
  stream = new EventSource(address("stream", "1"));
  const own = stream;
  const on = (name, act) => stream.addEventListener(name, (event) => {
    if (own !== stream) return;
    const data = JSON.parse(event.data);
    heardAt = Date.now();
    setClock(data.now);
    act(data);
  });
  on("beat", () => {});
  on("trouble", ({ sentence }) => die(sentence));
  on("region", ({ id, version }) => update(id, version));
  on("whole", async ({ regions }) => {
    // What has waited is fetched again: only the whole state makes the page live.
    waiting.clear();
    await Promise.all(Object.entries(regions).map(([id, version]) => update(id, version, true)));
    if (own === stream && stream.readyState === 1) revive();
  });
  stream.onerror = () => own === stream && lose();
}

function lose() {
  stream.close();
  die();
  retry = setTimeout(connect, pause * (0.8 + 0.4 * Math.random()));
  pause = Math.min(pause * 2, 10000);
  // Signed out: the page itself asks to sign in.
  fetch(address("region", ""), { method: "HEAD" }).then(({ status }) => status === 401 && location.reload(), () => {});
}

function revive() {
  heardAt = Date.now();
  pause = 500;
  if (live) return;
  live = true;
  since ||= serverNow();
  document.body.classList.remove("not-live");
  find("banner").hidden = true;
  find("banner").textContent = "";
  find("liveness").textContent = `live since ${clockTime(since)}`;
  freeze(false);
  showAges(true);
}

function die(sentence = "The connection to the team is lost.") {
  const was = live;
  live = false;
  if (was || !find("banner").textContent) {
    const at = clockTime(was ? serverNow() : Date.now() / 1000);
    since = 0;
    document.body.classList.add("not-live");
    find("liveness").textContent = `not live since ${at}`;
    find("banner").hidden = false;
    find("banner").textContent = `Not live since ${at}. ${sentence} What stands here may have changed.`;
    freeze(true);
    showAges(false);
  }
}

/** Texts stay, can be read and copied, and cannot be changed or sent. */
function freeze(frozen) {
  for (const control of document.querySelectorAll("button, input, select, textarea")) {
    const property = control.matches("textarea, input:not([type=checkbox], [type=radio])") ? "readOnly" : "disabled";
    if (frozen && !control[property]) control[property] = control.dataset.frozen = true;
    else if (!frozen && control.dataset.frozen) delete control.dataset.frozen, (control[property] = false);
  }
  for (const element of document.querySelectorAll("[data-past]")) {
    const text = element.textContent;
    element.textContent = element.dataset.past;
    element.dataset.past = text;
  }
}

async function update(id, version, now = false) {
  const region = find(id);
  if (!region || region.dataset.version === version) return;
  if (!now && isBusy(region)) {
    if (!waiting.has(id)) waiting.set(id, { version, until: Date.now() + WAIT_MS });
    waiting.get(id).version = version;
    return;
  }
  waiting.delete(id);
  const response = await fetch(address("region", id));
  if (!response.ok) throw lose();
  const next = document.createElement(region.nodeName);
  next.innerHTML = await response.text();
  const news = region.querySelector("[data-news]")?.dataset.news;
  morphChildren(region, next, region.dataset.swap === "append");
  region.dataset.version = response.headers.get("Region-Version");
  const said = region.querySelector("[data-news]")?.dataset.news;
  if (said && said !== news) find("news").textContent = said;
  showAges(live, region);
}

/** A list does not move under a pointer, an open menu, a selection, or a key. */
function isBusy(region) {
  const selection = getSelection();
  return pressed === region || Date.now() - (touched.get(region) ?? 0) < CALM_MS ||
    region.querySelector("details.menu[open]") !== null ||
    (selection.rangeCount > 0 && !selection.isCollapsed && selection.getRangeAt(0).intersectsNode(region));
}

for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "keydown"]) {
  addEventListener(name, (event) => {
    const region = event.target.closest?.("[data-region]");
    if (region) touched.set(region, Date.now());
    if (name === "pointerdown") pressed = region;
    else if (name !== "pointermove" && name !== "keydown") pressed = null;
  }, { capture: true, passive: true });
}
addEventListener("submit", (event) => live || event.preventDefault(), true);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) {
    stream?.close();
    clearTimeout(retry);
    die("Nobody was looking.");
  } else connect();
});
setInterval(() => {
  const now = Date.now(), gap = now - tickedAt;
  tickedAt = now;
  if (gap > FROZEN_MS) die("This computer was asleep."), connect();
  else if (live && now - heardAt > SILENCE_MS) lose();
  if (!live) return;
  showAges(true);
  for (const [id, { version, until }] of waiting) {
    if (now > until || !isBusy(find(id))) update(id, version, true);
  }
}, 1000);
connect();
