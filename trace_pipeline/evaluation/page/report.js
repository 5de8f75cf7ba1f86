"use strict";
// All text is set through textContent: nothing that a model wrote can become markup.
const PAGE = 100;
const predictions = JSON.parse(document.getElementById("predictions").textContent);
const byId = (id) => document.getElementById(id);
const filters = { outcome: byId("outcome"), expert: byId("expert"), steps: byId("steps") };
const search = byId("search");
const haystacks = predictions.map((p) =>
  [p.index, p.status, p.gold, p.question, p.completion].join("\n").toLowerCase());
let matching = [];
let shown = 0;

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function fillFilter(select, field) {
  const counts = new Map();
  for (const p of predictions) counts.set(p[field], (counts.get(p[field]) || 0) + 1);
  select.append(new Option("all (" + predictions.length + ")", ""));
  const values = [...counts.keys()].sort((a, b) =>
    typeof a === "number" ? a - b : a.localeCompare(b));
  for (const value of values) {
    const name = value === "" ? "none" : value === 0 ? "unknown" : value;
    select.append(new Option(name + " (" + counts.get(value) + ")", "=" + value));
  }
}

function block(title, text) {
  const part = element("div");
  part.append(element("h3", "", title), element("pre", "", text));
  return part;
}

function detail(p) {
  const node = element("div", "detail");
  const facts = [p.tokens + " tokens" + (p.clipped ? ", cut by the token limit" : "")];
  if (p.expert) facts.push("expert " + p.expert);
  if (p.steps) facts.push(p.steps + (p.steps === 1 ? " step" : " steps"));
  const columns = element("div", "columns");
  columns.append(block("Completion", p.completion), block("Reference", p.reference));
  node.append(element("p", "", p.question), element("p", "muted", facts.join(", ")));
  if (p.message) node.append(element("p", "", p.message));
  node.append(columns);
  return node;
}

function row(p) {
  const node = element("details");
  const summary = element("summary");
  summary.append(
    element("span", "muted", p.index),
    element("span", "status " + p.kind, p.status),
    element("span", "", "gold " + p.gold),
    element("span", "", p.question));
  node.append(summary);
  node.addEventListener("toggle", () => node.append(detail(p)), { once: true });
  return node;
}

function showMore() {
  const next = matching.slice(shown, shown + PAGE);
  byId("list").append(...next.map((i) => row(predictions[i])));
  shown += next.length;
  byId("more").hidden = shown >= matching.length;
  byId("shown").textContent = matching.length + " of " + predictions.length + " predictions";
}

function apply() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  matching = [];
  predictions.forEach((p, i) => {
    for (const [field, select] of Object.entries(filters)) {
      if (select.value && "=" + p[field] !== select.value) return;
    }
    if (words.every((word) => haystacks[i].includes(word))) matching.push(i);
  });
  shown = 0;
  byId("list").replaceChildren();
  showMore();
}

for (const [field, select] of Object.entries(filters)) {
  fillFilter(select, field);
  select.addEventListener("change", apply);
}
search.addEventListener("input", apply);
byId("more").addEventListener("click", showMore);
apply();
