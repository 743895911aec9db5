"use strict";
// A page with a graph and a list of what it shows: filter, details beside the graph, and the second
// picture where there are many. Targets, or steps of a run; `items` here.

for (const part of document.querySelectorAll(".scripted")) part.hidden = false;

const named = (id) => document.getElementById(id);
const filter = named("filter");
const cards = new Map(
  [...document.querySelectorAll(".card[data-n]")].map((card) => [Number(card.dataset.n), card]),
);
const drawn = document.querySelector(".scroll.main .graph");
const items = drawn && new Graph(drawn);
const above = document.querySelector(".scroll.overview .graph");
const overview = above && new Graph(above);
const LEGIBLE = 0.7; // as small as a graph is drawn unless one asks for less
const visible = () => (overview && (!items || named("show-overview").checked) ? overview : items);
let only = null; // the item whose surroundings are shown
let switched = false; // whether the filter left the overview

function found() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  let ids = null;
  if (words.length) {
    const fits = ([, card]) => words.every((word) => card.dataset.find.includes(word));
    ids = [...cards].filter(fits).map(([id]) => id);
  } else if (only !== null) {
    return items.around(only);
  } else {
    return null;
  }
  if (!items) return new Set(ids);
  const sides = [];
  if (named("needs").checked) sides.push(items.left);
  if (named("needed").checked) sides.push(items.right);
  return items.reach(ids, ...sides);
}

function apply() {
  const ids = found();
  if (items) draw(ids);
  for (const [id, card] of cards) card.hidden = Boolean(ids) && !ids.has(id);
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = ![...group.querySelectorAll(".card")].some((card) => !card.hidden);
    if (ids && ids.size <= 60 && !group.hidden) group.open = true;
  }
  named("found").textContent = ids ? `${ids.size} of ${cards.size}` : "";
}

function draw(ids) {
  if (overview && ids && named("show-overview").checked) {
    named("show-main").checked = switched = true;
  } else if (overview && !ids && switched) {
    named("show-overview").checked = true;
    switched = false;
  }
  items.show(ids);
  items.fit(LEGIBLE);
  if (!ids) items.home();
}

function choose(id) {
  const aside = named("detail"), card = cards.get(id);
  for (const node of items.nodes.values()) node.box.classList.toggle("chosen", node.id === id);
  aside.hidden = id === null;
  if (id === null) return;
  const title = document.createElement("h3");
  title.append(card.querySelector(".name").cloneNode(true));
  const facts = card.querySelector(".facts").cloneNode(true);
  facts.removeAttribute("id");
  aside.replaceChildren(title, actions(id), facts);
}

function actions(id) {
  const bar = document.createElement("div");
  bar.className = "actions";
  const all = only === id;
  bar.append(
    button(all ? "Show all" : "Only what it is connected with", () => {
      only = all ? null : id;
      filter.value = "";
      apply();
      choose(id);
      items.reveal(id);
    }),
    button("Close", () => {
      choose(null);
      if (only !== null) { only = null; apply(); }
    }),
  );
  return bar;
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.addEventListener("click", act);
  return made;
}

function go(id) {
  if (items.shown && !items.shown.has(id)) {
    only = null;
    filter.value = "";
    apply();
  }
  choose(id);
  items.reveal(id);
}

function unfold(id) {
  const card = cards.get(id);
  if (!card) return;
  if (card.hidden) { only = null; filter.value = ""; apply(); }
  card.open = true;
  card.closest(".group").open = true;
}

let waiting = 0;
if (filter) {
  filter.addEventListener("input", () => {
    only = null;
    clearTimeout(waiting);
    waiting = setTimeout(apply, cards.size > 300 ? 120 : 0);
  });
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  for (const name of ["needs", "needed"]) named(name).addEventListener("change", apply);
}
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#t']");
  if (!link || event.defaultPrevented) return;
  const id = Number(link.getAttribute("href").slice(2));
  if (items && link.closest(".detail")) {
    event.preventDefault();
    go(id);
  } else {
    unfold(id);
  }
});
if (/^#t\d+$/.test(location.hash)) unfold(Number(location.hash.slice(2)));

if (items) {
  items.svg.addEventListener("choose", (event) => {
    choose(event.detail);
    // the panel that opened has taken room from the drawing
    items.nodes.get(event.detail).box.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
  items.fit(LEGIBLE);
  items.home();
}
if (visible()) {
  named("smaller").addEventListener("click", () => visible().resize(visible().zoom / 1.25));
  named("larger").addEventListener("click", () => visible().resize(visible().zoom * 1.25));
  named("fit").addEventListener("click", () => visible().fit());
}
if (overview) {
  overview.fit(LEGIBLE);
  overview.home();
  overview.svg.addEventListener("choose", (event) => {
    const title = overview.nodes.get(event.detail).box.querySelector("title").textContent;
    filter.value = title.split("\n")[0];
    apply();
  });
}
if (overview && items) {
  for (const name of ["show-overview", "show-main"]) {
    named(name).addEventListener("change", () => { switched = false; visible().fit(LEGIBLE); visible().home(); });
  }
}

// The timeline: wider or narrower, within its frame. Where a bar has no room for words, it has none.
const time = document.querySelector(".gantt");
function stretch(factor) {
  const width = Number.parseFloat(time.getAttribute("width"));
  time.setAttribute("width", `${factor ? Math.min(6400, Math.max(100, width * factor)) : 100}%`);
  tidy();
}
function tidy() {
  const whole = time.getBoundingClientRect().width / 100;
  for (const bar of time.querySelectorAll(".bar-box")) {
    const room = Number.parseFloat(bar.getAttribute("width")) * whole;
    bar.querySelector("text").classList.toggle("off", room < 40);
  }
}
if (time) {
  named("shorter").addEventListener("click", () => stretch(1 / 1.5));
  named("longer").addEventListener("click", () => stretch(1.5));
  named("whole").addEventListener("click", () => stretch(0));
  addEventListener("resize", tidy);
  tidy();
}
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(input|textarea)$/i.test(document.activeElement.tagName) && filter) {
    event.preventDefault();
    filter.focus();
  }
});
