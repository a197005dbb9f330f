// Change what is shown into what it is now, and keep what the person has focused, opened or typed.

/** Make the children of `old` those of `next`. With `keep` no child is removed, unless no id is in both. */
export function morphChildren(old, next, keep = false) {
  const byId = new Map([...old.children].filter((each) => each.id).map((each) => [each.id, each]));
  const known = [...next.children].some((each) => byId.has(each.id));
  let at = keep && known ? null : old.firstChild;
  const grows = keep && known;
  for (const wanted of [...next.childNodes]) {
    const same = wanted.id ? byId.get(wanted.id) : grows ? null : at && isAlike(at, wanted) ? at : null;
    if (grows && same?.id === "new-since") continue;
    if (same) {
      morph(same, wanted);
      if (!grows && same !== at) old.insertBefore(same, at);
      if (!grows) at = same.nextSibling;
    } else if (!grows) old.insertBefore(wanted, at);
    else if (wanted.nodeType === 1) old.append(wanted);
  }
  while (!grows && at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const isAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && !one.id;

function morph(old, next) {
  if (old.nodeType !== 1) {
    if (old.data !== next.data) old.data = next.data;
    return;
  }
  if (old.nodeName !== next.nodeName) return old.replaceWith(next);
  if (old.isEqualNode(next)) return;
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !isOwn(old, name)) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value && !isOwn(old, name)) old.setAttribute(name, value);
  }
  morphChildren(old, next);
}

/** What the person has changed here stays. */
const isOwn = (element, name) =>
  (name === "open" && element.nodeName === "DETAILS") || (name === "value" && element === document.activeElement);
