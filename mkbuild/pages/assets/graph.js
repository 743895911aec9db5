"use strict";
// A drawn graph (mkbuild.pages.picture) that can be traced, thinned out and zoomed. All it knows it
// reads from the drawing, and all that it writes are classes and coordinates.

const BETWEEN = 64, GAP = 14, MARGIN = 2;

class Graph {
  constructor(svg) {
    this.svg = svg;
    this.scroller = svg.closest(".scroll");
    this.nodes = new Map();
    this.lines = [];
    this.left = new Map();
    this.right = new Map();
    for (const box of svg.querySelectorAll(".node")) {
      const [x, y] = box.getAttribute("transform").match(/-?\d+/g).map(Number);
      const rect = box.querySelector("rect");
      const [width, height] = ["width", "height"].map((name) => Number(rect.getAttribute(name)));
      const id = Number(box.dataset.n);
      this.nodes.set(id, { id, box, rect, x, y, width, height });
      this.left.set(id, []);
      this.right.set(id, []);
    }
    for (const path of svg.querySelectorAll(".lines .line")) {
      const { s, t, c } = path.dataset;
      const line = { path, drawn: path.getAttribute("d"), source: Number(s), reach: Number(c) };
      line.target = t === undefined ? null : Number(t);
      this.lines.push(line);
      if (line.target !== null) {
        this.left.get(line.target).push(line.source);
        this.right.get(line.source).push(line.target);
      }
    }
    this.whole = { width: svg.width.baseVal.value, height: svg.height.baseVal.value };
    this.size = this.whole;
    this.shown = null;
    this.zoom = 1;
    this.listen();
  }

  // What a node needs (left) or what needs it (right), and so on; the node included.
  reach(ids, ...sides) {
    const found = new Set(ids);
    for (const side of sides) {
      const front = [...ids], seen = new Set(ids);
      while (front.length) {
        for (const id of side.get(front.pop())) {
          if (!seen.has(id)) { seen.add(id); found.add(id); front.push(id); }
        }
      }
    }
    return found;
  }

  around(id) { return this.reach([id], this.left, this.right); }

  trace(id) {
    this.svg.classList.toggle("tracing", id !== null);
    const on = id === null ? new Set() : this.around(id);
    const before = id === null ? on : this.reach([id], this.left);
    const after = id === null ? on : this.reach([id], this.right);
    const both = (ends, line) => ends.has(line.source) && ends.has(line.target);
    const furthest = new Map();
    for (const [other, { box }] of this.nodes) box.classList.toggle("on", on.has(other));
    for (const line of this.lines) {
      if (line.target === null) continue;
      const lit = both(before, line) || both(after, line);
      line.path.classList.toggle("on", lit);
      if (lit) {
        furthest.set(line.source, Math.max(line.reach, furthest.get(line.source) ?? 0));
      }
    }
    for (const line of this.lines) {
      if (line.target === null) {
        line.path.classList.toggle("on", line.reach < (furthest.get(line.source) ?? 0));
      }
    }
  }

  // Show some nodes only, moved together; null: all, as they were drawn.
  show(ids) {
    this.shown = ids;
    const places = ids && this.placed([...this.nodes.values()].filter((node) => ids.has(node.id)));
    for (const node of this.nodes.values()) {
      const { x, y, width } = (places && places.get(node.id)) || node;
      node.box.classList.toggle("off", Boolean(ids) && !ids.has(node.id));
      node.box.setAttribute("transform", `translate(${x} ${y})`);
      node.rect.setAttribute("width", width);
    }
    for (const line of this.lines) {
      const { path, source, target } = line;
      const both = ids && target !== null && ids.has(source) && ids.has(target);
      path.classList.toggle("off", Boolean(ids) && !both);
      const ends = both && [places.get(source), places.get(target)];
      path.setAttribute("d", both ? way(...ends) : line.drawn);
    }
    this.resize();
  }

  // Columns by longest path, with trunks, as mkbuild.pages.layering makes them, of what is shown.
  placed(nodes) {
    const found = new Map(), alone = [], ids = new Set(nodes.map((node) => node.id));
    const joined = ({ id }) => [...this.left.get(id), ...this.right.get(id)].some((other) => ids.has(other));
    for (const node of nodes.sort((one, two) => one.x - two.x || one.y - two.y)) {
      const { id, width, height } = node;
      const place = { id, width, height, x: 0, y: 0, column: 0, middle: 0, left: [], right: [], trunks: [] };
      if (!joined(node)) { alone.push(place); continue; }
      const needed = this.left.get(id).filter((other) => ids.has(other)).map((other) => found.get(other));
      place.column = Math.max(-1, ...needed.map((other) => other.column)) + 1;
      found.set(id, place);
      for (const other of needed) join(other, place);
    }
    const columns = [];
    for (const place of found.values()) {
      for (const each of [place, ...place.trunks]) (columns[each.column] ??= []).push(each);
    }
    for (const column of columns) level(column);
    for (const side of ["left", "right", "left", "right", "left"]) {
      for (const column of side === "left" ? columns : columns.toReversed()) level(column, side);
    }
    let x = 0;
    for (const column of columns) {
      const width = Math.max(...column.map((place) => place.width));
      for (const place of column) Object.assign(place, { x, width });
      x += width + BETWEEN;
    }
    const all = columns.flat();
    const top = Math.min(...all.map((place) => place.middle - place.height / 2));
    for (const place of all) place.y = Math.round(place.middle - place.height / 2 - top);
    const bottom = Math.max(0, ...all.map((place) => place.y + place.height));
    for (const place of this.grid(alone, bottom && bottom + 2 * GAP)) found.set(place.id, place);
    const ends = [...found.values()];
    this.size = {
      width: Math.max(1, ...ends.map((place) => place.x + place.width)) + 2 * MARGIN,
      height: Math.max(1, bottom, ...ends.map((place) => place.y + place.height)) + 2 * MARGIN,
    };
    return found;
  }

  grid(places, top) {
    const width = Math.max(1, ...places.map((place) => place.width));
    const across = Math.max(1, Math.floor((this.scroller.clientWidth - 40) / (width + GAP)));
    places.forEach((place, at) => {
      place.width = width;
      place.x = (at % across) * (width + GAP);
      place.y = top + Math.floor(at / across) * (place.height + GAP);
    });
    return places;
  }

  resize(zoom = this.zoom) {
    this.zoom = Math.min(2, Math.max(0.05, zoom));
    const { width, height } = this.shown ? this.size : this.whole;
    this.svg.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${width} ${height}`);
    this.svg.setAttribute("width", Math.round(width * this.zoom));
    this.svg.setAttribute("height", Math.round(height * this.zoom));
  }

  // The largest size, down to `least`, at which all can be seen.
  fit(least = 0.05) {
    const { width, height } = this.shown ? this.size : this.whole;
    const room = this.scroller.clientWidth - 34;
    if (room <= 0) return;
    const tall = parseFloat(getComputedStyle(this.scroller).maxHeight) - 40 || height;
    this.resize(Math.max(least, Math.min(1, room / width, least > 0.05 ? 1 : tall / height)));
  }

  // Begin at what failed, or where the first column begins.
  home() {
    const nodes = [...this.nodes.values()];
    const failed = nodes.find((node) => node.box.classList.contains("failed"));
    this.reveal((failed ?? nodes.reduce((one, two) => (two.x < one.x ? two : one))).id);
    if (!failed) this.scroller.scrollLeft = 0;
  }

  reveal(id) {
    const { box } = this.nodes.get(id);
    const frame = this.scroller.getBoundingClientRect(), place = box.getBoundingClientRect();
    this.scroller.scrollBy(
      place.x + place.width / 2 - frame.x - frame.width / 2,
      place.y + place.height / 2 - frame.y - frame.height / 2,
    );
  }

  listen() {
    const of = (event) => event.target.closest?.(".node");
    const number = (box) => (box ? Number(box.dataset.n) : null);
    const follow = (event) => this.trace(number(of(event)));
    this.svg.addEventListener("pointerover", follow);
    this.svg.addEventListener("pointerleave", () => this.trace(null));
    this.svg.addEventListener("focusin", follow);
    this.svg.addEventListener("focusout", () => this.trace(null));
    this.svg.addEventListener("click", (event) => {
      const box = of(event);
      if (!box || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.svg.dispatchEvent(new CustomEvent("choose", { detail: number(box) }));
    });
    this.scroller.addEventListener("wheel", (event) => {
      if (!event.ctrlKey) return;
      event.preventDefault();
      this.magnify(event, Math.exp(-event.deltaY / 400));
    }, { passive: false });
    drag(this.scroller);
  }

  magnify(event, factor) {
    const before = this.svg.getBoundingClientRect(), zoom = this.zoom;
    this.resize(zoom * factor);
    const after = this.svg.getBoundingClientRect(), grown = this.zoom / zoom;
    this.scroller.scrollBy(
      (event.clientX - before.x) * grown - (event.clientX - after.x),
      (event.clientY - before.y) * grown - (event.clientY - after.y),
    );
  }
}

// Join two places, over trunks of the first where there are columns between.
function join(one, two) {
  let last = one;
  for (let column = one.column + 1; column < two.column; column += 1) {
    let trunk = one.trunks[column - one.column - 1];
    if (!trunk) {
      trunk = { width: 0, height: 4, x: 0, y: 0, column, middle: 0, left: [last], right: [] };
      one.trunks.push(trunk);
      last.right.push(trunk);
    }
    last = trunk;
  }
  last.right.push(two);
  two.left.push(last);
}

// Sort a column by where the neighbours on a side are, and move its places there without overlap
// (least squares, by pooling violators); without a side: one below the other.
function level(column, side) {
  const wanted = new Map();
  for (const place of column) {
    const near = side ? place[side] : [];
    const sum = near.reduce((total, other) => total + other.middle, 0);
    wanted.set(place, near.length ? sum / near.length : place.middle);
  }
  column.sort((one, two) => wanted.get(one) - wanted.get(two));
  const pools = [], offsets = [];
  let end = -GAP;
  for (const place of column) {
    offsets.push(end + GAP + place.height / 2);
    end += GAP + place.height;
    let value = wanted.get(place) - offsets.at(-1), size = 1;
    while (pools.length && pools.at(-1).value > value) {
      const other = pools.pop();
      value = (value * size + other.value * other.size) / (size + other.size);
      size += other.size;
    }
    pools.push({ value, size });
  }
  const shifts = pools.flatMap(({ value, size }) => Array(size).fill(value));
  column.forEach((place, at) => { place.middle = shifts[at] + offsets[at]; });
}

function way(one, two) {
  let x = one.x + one.width, y = one.y + one.height / 2, path = `M${x} ${y}`;
  for (const place of [...one.trunks.filter((trunk) => trunk.column < two.column), two]) {
    const bend = (place.x - x) / 2, end = place.y + place.height / 2;
    path += `C${x + bend} ${y} ${place.x - bend} ${end} ${place.x} ${end}`;
    x = place.x + place.width;
    y = end;
    if (place !== two) path += `H${x}`;
  }
  return path;
}

function drag(scroller) {
  let from = null;
  scroller.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" && event.button === 0 && !event.target.closest("a")) {
      from = { x: event.clientX + scroller.scrollLeft, y: event.clientY + scroller.scrollTop };
    }
  });
  addEventListener("pointermove", (event) => {
    if (!from) return;
    scroller.classList.add("dragged");
    scroller.scrollTo(from.x - event.clientX, from.y - event.clientY);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    addEventListener(name, () => { from = null; scroller.classList.remove("dragged"); });
  }
}
