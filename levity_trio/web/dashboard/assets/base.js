// Live pages: server-sent events carry the parts that changed, which are patched in place. Everything works without this.

const root = document.documentElement;
const base = root.dataset.base;
const words = JSON.parse(root.dataset.words);
const link = document.getElementById("link");
const main = document.getElementById("main");
const SILENT_MS = 40000; // the server says something every 15 s
let source = null;
let lostWhy = "";
let heardAt = Date.now();
let shownAt = new Date(link.dataset.at);
let leavesUntil = 0; // a form was sent: the next page is on its way
let ahead = shownAt - heardAt; // of the server's clock: ages are by that one

// Patching: text and attributes change where they are, so that focus, selection and opened details stay.

const KEPT = { DETAILS: ["open"], INPUT: ["value", "checked"], BUTTON: ["disabled", "aria-busy"] };

function patch(from, to) { // elements with an id are found by it, others by their place
  const named = new Map([...from.children].filter((one) => one.id).map((one) => [one.id, one]));
  let place = from.firstChild;
  for (const node of [...to.childNodes]) {
    const present = named.get(node.id) || place;
    if (!present || !isSame(present, node)) {
      from.insertBefore(node, place);
      continue;
    }
    if (present === place) place = place.nextSibling;
    else from.insertBefore(present, place);
    if (node.nodeType === Node.ELEMENT_NODE) patchElement(present, node);
    else if (present.data !== node.data) present.data = node.data;
  }
  while (place) {
    const next = place.nextSibling;
    place.remove();
    place = next;
  }
}

function isSame(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);
}

function keyOf(node) { // what has a key becomes nothing else: a button under a finger stays what it was
  return node.id || (node.dataset && node.dataset.key) || "";
}

function patchElement(from, to) {
  const kept = KEPT[from.nodeName] || [];
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !kept.includes(name)) from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value && !kept.includes(name)) from.setAttribute(name, value);
  }
  if (from.nodeName === "INPUT" && from.type === "hidden") from.value = to.value;
  if (!(from.nodeName === "TEXTAREA" && from === document.activeElement)) patch(from, to);
}

function show(parts) {
  for (const [id, html] of Object.entries(parts)) {
    const place = document.getElementById(id);
    if (!place && (main.dataset.live || !html.trim())) continue; // of another page, or gone before it was here
    if (!place) return reload(id);
    const made = document.createElement("template");
    made.innerHTML = html;
    patch(place, made.content);
  }
  tellAges();
  hideRead();
}

function reload(id) { // something new has come to the page: once in ten seconds for each
  if (Date.now() < leavesUntil) return;
  const [name, at] = JSON.parse(sessionStorage.getItem("reloaded") || '["", 0]');
  if (name === id && Date.now() - at < 10000) return;
  sessionStorage.setItem("reloaded", JSON.stringify([id, Date.now()]));
  location.reload();
}

// Failures stay until they were read: on this browser.

const readOnes = () => JSON.parse(localStorage.getItem("read") || "[]");

function hideRead() {
  const read = readOnes();
  for (const one of document.querySelectorAll("[data-read]")) {
    one.hidden = read.includes(one.dataset.read);
    if (one.querySelector(".read")) continue;
    const button = document.createElement("button");
    button.className = "read";
    button.textContent = words.read;
    button.addEventListener("click", () => {
      localStorage.setItem("read", JSON.stringify([...readOnes(), one.dataset.read].slice(-50)));
      hideRead();
    });
    one.append(button);
  }
}

// The stream, which is closed while nobody looks: a browser allows six to a server.

function open() {
  if (source || document.hidden || !main.hasAttribute("data-live")) return;
  source = new EventSource(main.dataset.live || `${base}/live${location.pathname.slice(base.length)}${location.search}`);
  source.addEventListener("parts", (event) => { hear(); show(JSON.parse(event.data)); });
  source.addEventListener("fault", () => lose(words.unread));
  source.addEventListener("open", hear);
  source.addEventListener("error", () => { lose(words.lost); if (source.readyState === EventSource.CLOSED) again(); });
}

function close() {
  if (source) source.close();
  source = null;
}

async function again() { // the server refused the stream: perhaps the log-in has ended
  close();
  try {
    const answer = await fetch(location.href, { method: "HEAD", redirect: "manual" });
    if (answer.type === "opaqueredirect") return location.reload();
  } catch { /* no connection: tried again below */ }
  setTimeout(open, 3000);
}

function hear() {
  heardAt = Date.now();
  shownAt = new Date(Date.now() + ahead);
  lostWhy = "";
  tellLink("live", words.live);
}

function lose(why) {
  const seconds = (Date.now() + ahead - shownAt) / 1000;
  lostWhy = why;
  tellLink("lost", seconds < 60 ? why : words.for.replace("{}", why).replace("{}", span(seconds)));
}

function tellLink(state, said) {
  root.dataset.link = link.dataset.state = state;
  if (link.firstElementChild.textContent !== said) link.firstElementChild.textContent = said;
}

// Ages and zones.

function span(seconds) {
  if (seconds < 60) return words.now;
  if (seconds < 3600) return words.min.replace("{}", Math.floor(seconds / 60));
  if (seconds < 172800) return words.h.replace("{}", Math.floor(seconds / 3600));
  return words.d.replace("{}", Math.floor(seconds / 86400));
}

function tellAges() {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const age = span((Date.now() + ahead - new Date(time.dateTime)) / 1000);
    if (time.textContent !== age) time.textContent = age;
  }
}

function tellZone() {
  const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const there = root.dataset.zone;
  try {
    if (clockOf(here) !== clockOf(there)) document.getElementById("zone").textContent = words.zone.replace("{}", here);
  } catch { /* a zone that this browser does not know */ }
}

function clockOf(zone) { // what its clocks show now, in January and in July
  const year = new Date().getFullYear();
  return [new Date(), new Date(year, 0, 1), new Date(year, 6, 1)]
    .map((time) => time.toLocaleString("en-GB", { timeZone: zone })).join();
}

function tick() {
  tellAges();
  if (link.dataset.state === "lost") lose(lostWhy);
  else if (source && Date.now() - heardAt > SILENT_MS) { close(); lose(words.lost); open(); }
}

// Forms and the theme.

document.addEventListener("submit", (event) => {
  const button = event.submitter || event.target.querySelector("button[type=submit]");
  if (!button || event.target.method !== "post") return;
  leavesUntil = Date.now() + 10000;
  button.setAttribute("aria-busy", "true");
  button.textContent = words.sending;
  setTimeout(() => { button.disabled = true; }); // after the form was sent
});

// The code of a link stands behind the #, which no server, log or proxy sees. It is taken from there into its field.

function takeCode() {
  const field = document.querySelector('form[action$="/welcome"] #f-code');
  if (!field || location.hash.length < 2) return;
  field.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
}
addEventListener("hashchange", takeCode);

const themes = document.querySelectorAll("[data-theme-set]");

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  localStorage.setItem("theme", theme);
  for (const button of themes) button.setAttribute("aria-pressed", String(button.dataset.themeSet === theme));
}

for (const button of themes) {
  button.parentElement.hidden = false;
  button.addEventListener("click", () => setTheme(button.dataset.themeSet));
}
setTheme(localStorage.getItem("theme") || "");

// Tabs may be wider than a phone: the current one is seen.

for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const [tabs, place] = [tab.closest(".tabs"), tab.getBoundingClientRect()];
  tabs.scrollLeft += place.left - tabs.getBoundingClientRect().left - (tabs.clientWidth - place.width) / 2;
}

// What was opened to be asked closes again.

document.addEventListener("toggle", (event) => {
  if (event.target.matches("details.ask[open]")) event.target.scrollIntoView({ block: "nearest" });
}, true);
// A stroke leads to the search, wherever nothing is typed.

document.addEventListener("keydown", (event) => {
  const [field, link] = [document.querySelector("form.find input"), document.querySelector("a.find")];
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || !field) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  event.preventDefault();
  if (field.offsetParent) field.focus();
  else if (document.getElementById("f-text")) document.getElementById("f-text").focus();
  else link.click();
});

document.addEventListener("keydown", (event) => {
  const opened = event.key === "Escape" && document.activeElement.closest("details.ask[open], details.who[open]");
  if (!opened) return;
  opened.open = false;
  opened.querySelector("summary").focus();
});
document.addEventListener("click", (event) => {
  for (const one of document.querySelectorAll("details.ask[open], details.who[open]")) {
    if (!one.contains(event.target)) one.open = false;
  }
});

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });
setInterval(tick, 10000);
takeCode();
tellZone();
tellAges();
hideRead();
open();
