// Keep the page live: one stream says which regions have changed, and each is fetched and changed in place.
// A page that does not know says so, and freezes. docs/web.md describes its templates.
import { clockTime, serverNow, setClock, showAges } from "./ages.js";
import { isBusy } from "./busy.js";
import { keepDrafts } from "./drafts.js";
import { forgetSent, sendForms } from "./forms.js";
import { morphChildren } from "./morph.js";
import { markShown } from "./shown.js";

const SILENCE_MS = 20000, FROZEN_MS = 5000, WAIT_MS = 10000, BOTTOM_PX = 80;
const find = (id) => document.getElementById(id);
const address = (key, value) => {
  const url = new URL(location.href);
  url.searchParams.set(key, value);
  return url.pathname + url.search;
};

let stream = null, live = false, frozen = false, since = "", heardAt = Date.now(), tickedAt = Date.now();
let pause = 500, retry = 0, warning = 0;
const wanted = new Map(), fetching = new Map(), waiting = new Map();

function connect() {
  clearTimeout(retry);
  stream?.close();
  if (document.hidden) return;
  const own = (stream = new EventSource(address("stream", "1")));
  const on = (name, act) =>
    own.addEventListener(name, (event) => {
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
    // Only the whole state makes the page live, so nothing of it waits.
    waiting.clear();
    await Promise.all(Object.entries(regions).map(([id, version]) => update(id, version, !live)));
    if (own === stream && own.readyState === 1) revive();
  });
  own.onerror = () => own === stream && lose();
}

/** Try again, later each time. A page whose session or regions are gone is loaded again. */
function lose(at = Date.now()) {
  stream.close();
  die("The connection to the team is lost.", at);
  clearTimeout(retry);
  retry = setTimeout(connect, pause * (0.8 + 0.4 * Math.random()));
  pause = Math.min(pause * 2, 10000);
  fetch(address("region", "-"), { method: "HEAD" }).then(({ status }) => status === 401 && location.reload(), () => {});
}

function revive() {
  pause = 500;
  clearTimeout(warning);
  if (live) return;
  live = true;
  since ||= clockTime(serverNow());
  document.body.classList.remove("not-live");
  find("banner").hidden = true;
  find("banner").textContent = "";
  find("liveness").textContent = `live since ${since}`;
  freeze(false);
  showAges(true);
  markShown();
}

/** The page was true until `at`. Without a sentence it warns only if this lasts. */
function die(sentence, at = Date.now()) {
  clearTimeout(warning);
  if (live || !frozen) {
    live = false;
    since = "";
    find("liveness").textContent = `not live since ${clockTime(serverNow(at))}`;
    document.body.classList.add("not-live");
    showAges(false);
  }
  freeze(true);
  const warn = () => {
    find("banner").hidden = false;
    find("banner").textContent = `${find("liveness").textContent.replace("n", "N")}. ${sentence || "The team does not answer yet."}`;
  };
  if (sentence) warn();
  else warning = setTimeout(warn, 1000);
}

/** Texts can be read and copied, but neither changed nor sent. */
function freeze(wish) {
  frozen = wish;
  for (const control of document.querySelectorAll("button, input, select, textarea")) {
    const property = control.matches("textarea, [type=text], [type=search], input:not([type])") ? "readOnly" : "disabled";
    if (wish && !control[property]) control[property] = control.dataset.frozen = true;
    else if (!wish && control.dataset.frozen) {
      control[property] = false;
      delete control.dataset.frozen;
    }
  }
  for (const element of document.querySelectorAll("[data-past]")) {
    if (wish) {
      element.dataset.present ??= element.textContent;
      element.textContent = element.dataset.past;
    } else if (element.dataset.present !== undefined) {
      // A morph has dropped it where the present text is there already.
      element.textContent = element.dataset.present;
      delete element.dataset.present;
    }
  }
}

/** Bring a region to a version. A list does not move under a pointer, a key, a menu or a selection: it waits. */
async function update(id, version, now = false) {
  const region = find(id);
  if (!region || region.dataset.version === version) return;
  wanted.set(id, version);
  if (!now && isBusy(region)) {
    if (!waiting.has(id)) waiting.set(id, Date.now() + WAIT_MS);
    return;
  }
  waiting.delete(id);
  // One fetch at a time: an older answer must not replace a newer one.
  if (!fetching.has(id)) fetching.set(id, load(id, region).finally(() => fetching.delete(id)));
  await fetching.get(id);
}

async function load(id, region) {
  let version;
  do {
    version = wanted.get(id);
    const response = await fetch(address("region", id)).catch(() => null);
    if (response?.status === 404) location.reload();
    if (!response?.ok) return lose();
    show(region, await response.text());
    region.dataset.version = response.headers.get("Region-Version");
  } while (wanted.get(id) !== version);
}

function show(region, html) {
  const next = document.createElement(region.nodeName);
  next.innerHTML = html;
  const news = () => region.querySelector("[data-news]")?.dataset.news;
  const needs = () => [...region.querySelectorAll(".need")].map((need) => [need.id, need.querySelector("h2")?.textContent.trim() ?? ""]);
  const known = new Map(needs());
  const focus = document.activeElement, caret = [focus.selectionStart, focus.selectionEnd];
  const grows = region.dataset.swap === "append", before = news(), count = region.childElementCount;
  const scroller = region.closest("[data-scroll]") ?? document.scrollingElement;
  const isAtEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < BOTTOM_PX;
  morphChildren(region, next, grows);
  const added = needs().filter(([id]) => !known.has(id)).map(([, title]) => title);
  if (news() && (news() !== before || added.length)) find("news").textContent = [news(), ...added].join(". ");
  showAges(live, region);
  if (live) markShown();
  if (focus !== document.activeElement) {
    // The keyboard goes on in its region.
    if (!focus.isConnected) region.tabIndex = -1;
    (focus.isConnected ? focus : region).focus({ preventScroll: true });
    if (focus.isConnected && caret[0] != null) focus.setSelectionRange(...caret);
  }
  if (grows && isAtEnd) scroller.scrollTop = scroller.scrollHeight;
  else if (grows && region.childElementCount > count) showMore(region.childElementCount - count);
}

function showMore(count) {
  const link = find("new-below");
  if (!link) return;
  link.dataset.count = (link.hidden ? 0 : Number(link.dataset.count)) + count;
  link.textContent = `${link.dataset.count} new below`;
  link.hidden = false;
}

find("new-below")?.addEventListener("click", (event) => (event.target.hidden = true));
/** Connect a page that is seen again. It warns until it has the whole state. */
function wake() {
  die("", tickedAt);
  connect();
}

addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  forgetSent();
  wake();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return wake();
  // A hidden page fetches nothing, so it knows nothing.
  stream?.close();
  clearTimeout(retry);
  die("");
  clearTimeout(warning);
});
setInterval(() => {
  const now = Date.now(), before = tickedAt;
  tickedAt = now;
  if (document.hidden) return;
  if (now - before > FROZEN_MS) die("", before), connect();
  else if ((live || !frozen) && now - heardAt > SILENCE_MS) lose(heardAt);
  if (!live) return;
  showAges(true);
  for (const [id, until] of waiting) if (now > until || !isBusy(find(id))) update(id, wanted.get(id), true);
}, 1000);
keepDrafts();
sendForms(() => frozen);
connect();
