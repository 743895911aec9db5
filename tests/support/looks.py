"""What can be measured of a page in a browser: contrast, and text that does not fit."""

CONTRAST = """
const seen = (text) => {
  const part = text.parentElement;
  if (!text.data.trim() || part.closest("title, script, style, head, [hidden], .off")) return false;
  const box = document.createRange();
  box.selectNodeContents(text);
  return box.getClientRects().length > 0 && getComputedStyle(part).visibility === "visible";
};
const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
const light = (color) => {
  const [r, g, b] = numbers(color).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (part) => {
  const box = part.closest(".node, .bar-box");
  if (part instanceof SVGElement && box) return getComputedStyle(box.querySelector("rect")).fill;
  for (let at = part; at; at = at.parentElement) {
    const color = getComputedStyle(at).backgroundColor;
    if ((numbers(color)[3] ?? 1) > 0) return color;
  }
  return "rgb(255, 255, 255)";
};
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = {};
let count = 0;
while (walker.nextNode()) {
  const text = walker.currentNode, part = text.parentElement;
  if (!seen(text)) continue;
  count += 1;
  const style = getComputedStyle(part);
  const color = part instanceof SVGElement ? style.fill : style.color;
  const [one, two] = [light(color), light(ground(part))].sort((a, b) => b - a);
  const ratio = (one + 0.05) / (two + 0.05);
  const pair = `${color} on ${ground(part)}`;
  if (ratio < 4.5) found[pair] = `${ratio.toFixed(2)}: ${text.data.trim()}`;
}
return [count, Object.entries(found).map((entry) => entry.join(" "))];
"""
"""Returns how many texts are seen, and those with a contrast below 4.5 (WCAG 2.2, 1.4.3)."""

OVERFLOW = """
const found = [];
const width = document.documentElement.scrollWidth;
if (width > innerWidth) found.push(`the page is ${width} px wide in a window of ${innerWidth}`);
const text = (part) => part.textContent.trim().slice(0, 60);
for (const node of document.querySelectorAll("svg .node:not(.off)")) {
  const room = Number(node.querySelector("rect").getAttribute("width"));
  for (const line of node.querySelectorAll("text")) {
    const box = line.getBBox();
    if (box.width && box.x + box.width > room) found.push(`${text(line)}: ${box.width} in ${room}`);
  }
}
for (const part of document.querySelectorAll("body :not(svg, svg *, .unseen, .skip)")) {
  const box = part.getBoundingClientRect();
  if (box.width && box.right > innerWidth + 1) found.push(`${text(part)}: ends at ${box.right}`);
}
return found;
"""
"""Returns what is wider than what holds it."""
