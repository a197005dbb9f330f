// What a person is busy with does not move: a list does not change under a pointer, a key, a menu or a selection.
const CALM_MS = 1000;
const touched = new WeakMap();
let pressed = null;

export function isBusy(region) {
  const selection = getSelection();
  return (
    pressed === region ||
    Date.now() - (touched.get(region) ?? 0) < CALM_MS ||
    region.querySelector("details.menu[open]") !== null ||
    (!selection.isCollapsed && selection.rangeCount > 0 && selection.getRangeAt(0).intersectsNode(region))
  );
}

for (const name of ["pointerdown", "pointermove", "pointerup", "pointercancel", "keydown"]) {
  const note = (event) => {
    const region = event.target.closest?.("[data-region]");
    if (region) touched.set(region, Date.now());
    if (name === "pointerdown") pressed = region;
    else if (name === "pointerup" || name === "pointercancel") pressed = null;
  };
  addEventListener(name, note, { capture: true, passive: true });
}
