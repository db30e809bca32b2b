// Keeps the status page up to date. Everything on the page works without it, after a reload.
"use strict";

const live = document.getElementById("live");
const units = [[86400, 3600, "d", "h"], [3600, 60, "h", "min"], [60, 1, "min", "s"]];

function say(words, state) {
  if (live.textContent !== words) live.textContent = words;
  live.className = state;
}

// a length of time in its two largest units, as the daemon writes it
function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  for (const [unit, smaller, name, smallerName] of units) {
    if (whole >= unit) {
      const rest = Math.floor((whole % unit) / smaller);
      return `${Math.floor(whole / unit)} ${name}` + (rest ? ` ${rest} ${smallerName}` : "");
    }
  }
  return `${whole} s`;
}

function count() {
  const now = Date.now() / 1000 + ahead;
  for (const time of document.querySelectorAll("time[data-until], time[data-since]")) {
    const { until, since } = time.dataset;
    const words = span(until ? until - now : now - since);
    if (time.textContent !== words) time.textContent = words;
  }
}

// whether one node may become another: what has an id is that and no other; else the tag and the first class count
function alike(one, other) {
  return one.nodeName === other.nodeName && (one.id ?? "") === (other.id ?? "") && (one.id || kind(one) === kind(other));
}

function kind(node) {
  return node.classList ? (node.classList[0] ?? "") : "";
}

// makes a node like another one, and touches nothing that is the same: focus, selection and what is open stay
function become(old, wanted) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && name !== "open") old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  let here = old.firstChild;
  for (const child of [...wanted.childNodes]) {
    let match = here;
    while (match && !alike(match, child)) match = match.nextSibling;
    if (!match) {
      old.insertBefore(child, here);
      continue;
    }
    while (here !== match) {
      const gone = here;
      here = here.nextSibling;
      gone.remove();
    }
    become(match, child);
    here = match.nextSibling;
  }
  while (here) {
    const gone = here;
    here = here.nextSibling;
    gone.remove();
  }
}

function show(id, html) {
  const old = document.getElementById(id);
  const parsed = new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
  if (old && parsed && alike(old, parsed)) become(old, document.adoptNode(parsed));
}

let ahead = 0; // seconds by which the daemon's clock is ahead of this machine's
const { live: url, boot } = document.body.dataset;
const events = new EventSource(url);
events.addEventListener("boot", (event) => {
  const [name, now] = event.data.split(" ");
  if (name !== boot) location.reload();
  ahead = Number(now) - Date.now() / 1000;
  say("Live", "on");
});
events.addEventListener("message", (event) => {
  for (const [id, html] of JSON.parse(event.data)) show(id, html);
  count();
});
events.addEventListener("error", () => {
  if (events.readyState === EventSource.CLOSED) say("Not live any more: reload the page", "off");
  else say("Connection lost, trying again", "off");
});
setInterval(count, 1000);
