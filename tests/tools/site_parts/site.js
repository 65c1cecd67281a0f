// Ways, colours and search. Without this script there are the sections at the top and the table of contents, to which a
// search leads, too. What the tool found stands above, as `site`: pages, words, and what strangers mean.
"use strict";

const root = document.documentElement;
const MOST_PAGES = 30;
const MOST_PLACES = 3; // of one page, below its best one
const EXCERPT = 160;
const WEIGHTS = [12, 8, 3]; // of a word in the title, the heading, the text
const WHOLE = 1.5; // times as much for a whole word
const ALONE = 2; // times as much where a word is all of a heading, such as the name of a make
const MEANT = 0.2; // times as much for what is meant by a word that is used otherwise here
const OF_REFERENCE = 0.6; // times as much in its long tables, which have nearly all words
const LEAST_SHARE = 0.7; // of the best hit: "how do I add a card" shows what is about cards

// The ways: pages of the same folder, and parts of this page

const words = site.said[root.lang];
const pages = site.pages.map(([path, title, language, others, group]) => ({ path, title, language, others, group }));

function made(name, content, attributes = {}) {
  const element = document.createElement(name);
  element.append(...[content].flat());
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function list(links) {
  return made("ul", links.map((link) => made("li", link)));
}

function addWays(main) {
  const here = pages.find((page) => page.path === root.dataset.path);
  const beside = here ? pages.filter((page) => page.group === here.group && page.language === here.language) : [];
  if (beside.length > 1) {
    const name = made("h2", document.querySelector(".sections .here").textContent, { id: "beside" });
    const links = beside.map((page) => made("a", page.title, {
      href: root.dataset.root + page.path,
      ...(page === here && { "aria-current": "page" }),
    }));
    main.after(made("nav", [name, list(links)], { class: "pages", "aria-labelledby": "beside" }));
  }
  const headings = [...main.querySelectorAll("h2[id]")];
  if (headings.length > 2) {
    const links = headings.map((heading) => made("a", heading.textContent, { href: "#" + heading.id }));
    const details = made("details", [made("summary", words.places), list(links)]);
    const places = made("nav", details, { class: "places", "aria-label": words.places });
    const wide = matchMedia("(min-width: 1200px)");
    const put = () => { // beside the text where there is room, else below its title
      if (wide.matches) main.before(places);
      else main.querySelector("h1").after(places);
      details.open = wide.matches;
    };
    wide.addEventListener("change", put);
    put();
  }
  const row = document.querySelector(".sections");
  const current = row.querySelector(".here");
  if (current) row.scrollLeft = current.offsetLeft - (row.clientWidth - current.offsetWidth) / 2;
}

// Colours

const THEMES = ["", "light", "dark"];

function setTheme(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
}

function keptTheme() {
  try { return localStorage.getItem("theme") || ""; } catch { return ""; } // some browsers keep nothing for files
}

function keepTheme(theme) {
  try { localStorage.setItem("theme", theme); } catch { /* it lasts as long as the page */ }
  setTheme(theme);
}

function addThemes(footer) {
  const buttons = THEMES.map((theme, number) => made("button", words.themes.split(" ")[number], { type: "button" }));
  const press = (pressed) => buttons.forEach((one, number) => {
    one.setAttribute("aria-pressed", String(THEMES[number] === pressed));
  });
  buttons.forEach((one, number) => one.addEventListener("click", () => {
    keepTheme(THEMES[number]);
    press(THEMES[number]);
  }));
  press(keptTheme());
  footer.append(made("p", buttons, { class: "theme", role: "group", "aria-label": words.colours }));
}

setTheme(keptTheme()); // before anything is seen

// The index. It is a script, because a page that is opened from a disk may fetch nothing.

let index = null;
let coming = null;

function withIndex(then) {
  coming ??= new Promise((arrived, failed) => {
    const script = made("script", []);
    script.src = root.dataset.root + "assets/search.js";
    script.onload = () => unpacked(window.manualIndex).then(arrived, failed);
    script.onerror = failed;
    document.head.append(script);
  });
  coming.then((places) => {
    index = places;
    then();
  });
}

async function unpacked(packed) {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const places = await new Response(stream).json();
  return places.map(([number, anchor, heading, text]) => {
    const page = pages[number];
    const href = root.dataset.root + page.path + (anchor && "#" + anchor);
    const parts = [page.title, heading, text].map((one) => " " + folded(one));
    return { page, href, heading, text, parts };
  });
}

function folded(text) { // without capitals and accents, as people type
  return text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "").replaceAll("ß", "ss");
}

// The search

function patterns(word, isLast) { // for the word, without the sign of the plural, and for what strangers mean by it
  const alike = [[word, 1], [word.length > 3 ? word.replace(/[sn]$/, "") : word, 1]];
  for (const meant of (site.meant[word] || "").split(" ").filter(Boolean)) alike.push([folded(meant), MEANT]);
  // a short word is whole, unless somebody is still typing it: "I" is not the beginning of "it"
  const end = word.length > 3 || isLast ? "" : "(?![\\p{L}\\p{N}])";
  return alike.map(([one, worth]) => ({ one, worth, start: new RegExp("[^\\p{L}\\p{N}]" + one + end, "u") }));
}

function weighed(place, alike) {
  let best = 0;
  const ofReference = place.page.group === "reference";
  place.parts.forEach((part, number) => {
    for (const { one, worth, start } of alike) {
      const at = part.search(start);
      if (at >= 0) {
        const isWhole = !/^[\p{L}\p{N}]/u.test(part.slice(at + 1 + one.length));
        const whole = !ofReference && part.trim() === one ? WHOLE * ALONE : WHOLE;
        best = Math.max(best, WEIGHTS[number] * worth * (isWhole ? whole : 1));
      } else if (one.length > 3 && part.includes(one)) best = Math.max(best, worth);
    }
  });
  return best * (ofReference ? OF_REFERENCE : 1);
}

function found(typed, places) { // pages with their best places, the best first; and the words, the rarest first
  const rarities = new Map();
  const hits = places.map((place) => ({ place, told: 0, weight: 0 }));
  for (const word of typed) {
    const alike = patterns(word, word === typed.at(-1));
    const weights = places.map((place) => weighed(place, alike));
    const rare = Math.log((places.length + 1) / (weights.filter(Boolean).length + 1));
    rarities.set(word, rare);
    weights.forEach((weight, number) => {
      hits[number].told += weight && rare;
      hits[number].weight += weight * rare;
    });
  }
  const most = Math.max(...hits.map((hit) => hit.told));
  const hitPages = new Map();
  for (const hit of hits.sort((one, other) => other.weight - one.weight)) {
    if (!hit.told || hit.told < most * LEAST_SHARE) continue;
    const of = hitPages.get(hit.place.page) || [];
    if (of.length <= MOST_PLACES) hitPages.set(hit.place.page, [...of, hit.place]);
  }
  const rarest = [...typed].sort((one, other) => rarities.get(other) - rarities.get(one));
  return { hits: [...hitPages.values()].slice(0, MOST_PAGES), rarest };
}

// What is shown

function excerpt({ text }, typed) { // around the rarest word that is there; all are marked
  const low = folded(text);
  const there = typed.find((word) => low.includes(word));
  const middle = there && low.length === text.length ? low.indexOf(there) : 0; // else letters are not where they were
  const begin = middle < EXCERPT / 2 ? 0 : text.lastIndexOf(" ", middle - EXCERPT / 3) + 1;
  const end = begin + EXCERPT < text.length ? text.lastIndexOf(" ", begin + EXCERPT) : text.length;
  return [begin ? "… " : "", ...marked(text.slice(begin, end), typed), end < text.length ? " …" : ""];
}

function marked(text, typed) {
  const low = folded(text);
  if (low.length !== text.length) return [text];
  const parts = [];
  let done = 0;
  for (const hit of low.matchAll(new RegExp(`(${typed.join("|")})[\\p{L}\\p{N}]*`, "gu"))) {
    parts.push(text.slice(done, hit.index), made("mark", text.slice(hit.index, hit.index + hit[0].length)));
    done = hit.index + hit[0].length;
  }
  return [...parts, text.slice(done)];
}

function shown([best, ...others], typed) {
  const { title, language } = best.page;
  const name = best.heading ? `${title} › ${best.heading}` : title;
  const ways = others.filter((place) => place.heading).map((place) => made("a", place.heading, { href: place.href }));
  const parts = [made("a", name, { href: best.href }), made("p", excerpt(best, typed), { class: "quiet" })];
  if (language !== root.lang) parts.splice(1, 0, made("span", ` ${site.names[language]}`, { class: "quiet" }));
  if (ways.length) parts.push(made("p", ways, { class: "ways" }));
  return made("li", parts, { lang: language });
}

function search(text) {
  const typed = folded(text).match(/[\p{L}\p{N}_][\p{L}\p{N}_-]*/gu) || [];
  document.querySelector(".found")?.remove();
  document.body.classList.toggle("looked", typed.length > 0);
  if (!typed.length) return;
  const { lang } = root; // a page that is in this language is not shown in another
  const read = index.filter(({ page }) => page.language === lang || !page.others.includes(lang));
  let { hits, rarest } = found(typed, read);
  if (!hits.length) ({ hits, rarest } = found(typed, index));
  const isOwn = ([best]) => best.page.language === lang;
  hits.sort((one, other) => isOwn(other) - isOwn(one));
  const count = hits.length === 1 ? words.one : words.many.replace("{}", hits.length);
  document.getElementById("main").append(made("section", [
    made("h1", hits.length ? count : words.none, { "aria-live": "polite" }),
    made("ul", hits.map((places) => shown(places, rarest))),
  ], { class: "found", "aria-label": words.found }));
}

document.addEventListener("DOMContentLoaded", () => {
  addWays(document.getElementById("main"));
  addThemes(document.querySelector("footer"));
  const field = document.querySelector("form.find input");
  const look = () => withIndex(() => search(field.value));
  const leave = () => {
    field.value = "";
    look();
  };
  field.addEventListener("input", () => {
    scrollTo(0, 0);
    look();
  });
  document.addEventListener("click", (event) => { // what is found on this page must be there to be scrolled to
    const link = event.target.closest(".found a");
    if (link && link.pathname === location.pathname) leave();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== field) {
      event.preventDefault();
      field.focus();
    } else if (event.key === "Escape" && field.value) {
      leave();
    } else if (event.key === "ArrowDown" && event.target === field) {
      event.preventDefault();
      document.querySelector(".found a")?.focus();
    }
  });
  field.value = new URLSearchParams(location.search).get("q") || field.value;
  if (field.value) look();
});
