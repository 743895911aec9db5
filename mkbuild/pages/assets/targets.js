"use strict";
// The page of targets: filter, details beside the graph, the two pictures of many targets.

for (const part of document.querySelectorAll(".scripted")) part.hidden = false;

const named = (id) => document.getElementById(id);
const cards = new Map(
  [...document.querySelectorAll(".card[data-n]")].map((card) => [Number(card.dataset.n), card]),
);
const drawn = document.querySelector(".by-targets .graph");
const targets = drawn && new Graph(drawn);
const overview = document.querySelector(".by-build-files .graph");
const files = overview && new Graph(overview);
const LEGIBLE = 0.7; // as small as a graph is drawn unless one asks for less
const visible = () => (files && named("by-build-files").checked ? files : targets);
let only = null; // the target whose surroundings are shown
let switched = false; // whether the filter left the picture of build files

function found() {
  const words = named("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let ids = null;
  if (words.length) {
    const fits = ([, card]) => words.every((word) => card.dataset.find.includes(word));
    ids = [...cards].filter(fits).map(([id]) => id);
  } else if (only !== null) {
    return targets.around(only);
  } else {
    return null;
  }
  const sides = [];
  if (named("needs").checked) sides.push(targets.left);
  if (named("needed").checked) sides.push(targets.right);
  return targets.reach(ids, ...sides);
}

function apply() {
  if (!targets) return;
  const ids = found();
  if (files && ids && named("by-build-files").checked) {
    named("by-targets").checked = switched = true;
  } else if (files && !ids && switched) {
    named("by-build-files").checked = true;
    switched = false;
  }
  targets.show(ids);
  targets.fit(LEGIBLE);
  if (!ids) targets.home();
  for (const [id, card] of cards) card.hidden = Boolean(ids) && !ids.has(id);
  for (const group of document.querySelectorAll(".group")) {
    group.hidden = ![...group.querySelectorAll(".card")].some((card) => !card.hidden);
    if (ids && ids.size <= 60 && !group.hidden) group.open = true;
  }
  named("found").textContent = ids ? `${ids.size} of ${cards.size}` : "";
}

function choose(id) {
  const aside = named("detail"), card = cards.get(id);
  for (const node of targets.nodes.values()) node.box.classList.toggle("chosen", node.id === id);
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
      named("filter").value = "";
      apply();
      choose(id);
      targets.reveal(id);
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
  if (targets.shown && !targets.shown.has(id)) {
    only = null;
    named("filter").value = "";
    apply();
  }
  choose(id);
  targets.reveal(id);
}

let waiting = 0;
named("filter").addEventListener("input", () => {
  only = null;
  clearTimeout(waiting);
  waiting = setTimeout(apply, cards.size > 300 ? 120 : 0);
});
for (const name of ["needs", "needed"]) named(name).addEventListener("change", apply);
named("filter").form.addEventListener("submit", (event) => event.preventDefault());
named("detail").addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#t']");
  if (!link) return;
  event.preventDefault();
  go(Number(link.hash.slice(2)));
});
named("list").addEventListener("click", (event) => {
  const link = event.target.closest("a[href^='#t']");
  if (link) unfold(Number(link.hash.slice(2)));
});
function unfold(id) {
  const card = cards.get(id);
  if (!card) return;
  if (card.hidden) { only = null; named("filter").value = ""; apply(); }
  card.open = true;
  card.closest(".group").open = true;
}
if (/^#t\d+$/.test(location.hash)) unfold(Number(location.hash.slice(2)));

if (targets) {
  targets.svg.addEventListener("choose", (event) => choose(event.detail));
  targets.fit(LEGIBLE);
  targets.home();
  named("smaller").addEventListener("click", () => visible().resize(visible().zoom / 1.25));
  named("larger").addEventListener("click", () => visible().resize(visible().zoom * 1.25));
  named("fit").addEventListener("click", () => visible().fit());
}
if (files) {
  files.fit(LEGIBLE);
  files.home();
  files.svg.addEventListener("choose", (event) => {
    const title = files.nodes.get(event.detail).box.querySelector("title").textContent;
    named("filter").value = title.split("\n")[0];
    apply();
  });
  for (const name of ["by-build-files", "by-targets"]) {
    named(name).addEventListener("change", () => { switched = false; visible().fit(LEGIBLE); visible().home(); });
  }
}
addEventListener("keydown", (event) => {
  if (event.key === "/" && !/^(input|textarea)$/i.test(document.activeElement.tagName)) {
    event.preventDefault();
    named("filter").focus();
  }
});
