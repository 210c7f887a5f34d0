// Keeps the page fresh while somebody looks at it; without JavaScript it is loaded again by hand.
"use strict";

const EVERY = 5000; // milliseconds

let lastAnswer = document.getElementById("as-of").textContent;

// A person who types, chooses or selects text is not disturbed.
function busy(element) {
  const active = document.activeElement;
  const selection = getSelection();
  return (
    element.querySelector("details.asks[open]") !== null ||
    (element.contains(active) && active.matches("input, select")) ||
    (!selection.isCollapsed && element.contains(selection.anchorNode))
  );
}

function replace(now, next) {
  for (const open of now.querySelectorAll("details[id][open]")) {
    next.querySelector(`#${CSS.escape(open.id)}`)?.setAttribute("open", "");
  }
  for (const typed of now.querySelectorAll("input[name=comment]")) {
    if (typed.value) return; // begun and left for a moment
  }
  if (now.matches("details")) next.open = now.open;
  if (now.isEqualNode(next)) return;
  const focused = now.contains(document.activeElement) ? [...now.querySelectorAll("a, button, summary")].indexOf(document.activeElement) : -1;
  now.replaceWith(next);
  if (focused >= 0) next.querySelectorAll("a, button, summary")[focused]?.focus();
}

// Brings the children of one list to those of another, by their ids; what is busy stays as and where it is.
function merge(list, fresh) {
  let place = list.firstElementChild;
  for (const next of [...fresh.children]) {
    const now = document.getElementById(next.id);
    if (now === null) {
      list.insertBefore(next, place);
    } else {
      if (now === place) place = place.nextElementSibling;
      else if (!busy(now)) list.insertBefore(now, place);
      if (!busy(now)) replace(now, next);
    }
  }
}

function update(fresh) {
  document.title = fresh.title;
  for (const id of ["strips", "cards", "rows"]) {
    const [now, next] = [document.getElementById(id), fresh.getElementById(id)];
    if (!now || !next) continue;
    if (id === "strips") {
      if (!busy(now)) replace(now, next);
      continue;
    }
    const wanted = new Set([...next.children].map((child) => child.id));
    merge(now, next);
    for (const child of [...now.children]) if (!wanted.has(child.id) && !busy(child)) child.remove();
  }
  const count = document.getElementById("count");
  const said = fresh.getElementById("count")?.textContent;
  if (count && said && count.textContent !== said) count.textContent = said;
  lastAnswer = fresh.getElementById("as-of").textContent;
  document.getElementById("as-of").textContent = lastAnswer;
}

async function refresh() {
  if (document.hidden) return;
  const silent = document.getElementById("silent");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(EVERY) });
    if (answer.redirected) return location.reload(); // the session is over
    if (!answer.ok) throw new Error(answer.status);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    update(fresh);
    silent.hidden = true;
  } catch {
    document.getElementById("since").textContent = lastAnswer;
    silent.hidden = false;
  }
}

document.getElementById("live").textContent = "live";
if (location.search.includes("said=")) history.replaceState(null, "", location.pathname); // said once
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);
