// The list of matching predictions: only the rows in view exist.
const ROW = 54; // pixels, as --row in page.css
const SPARE = 8; // rows kept above and below the view
const list = byId("list");
const rowsBox = byId("rows");
let matching = [];
let current = 0; // position in matching

function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function chip(p) {
  return element("span", "chip " + p.kind, readable(p.status).replace(":", ": "));
}

function rowOf(position) {
  const p = predictions[matching[position]];
  const node = element("div", "row");
  node.id = "row-" + position;
  node.setAttribute("role", "option");
  node.setAttribute("aria-selected", position === current);
  node.setAttribute("aria-setsize", matching.length);
  node.setAttribute("aria-posinset", position + 1);
  node.style.top = position * ROW + "px";
  const first = element("div", "first");
  first.append(element("span", "muted", "#" + p.index), chip(p));
  if (p.diagnosis) first.append(element("span", "diagnosis", readable(p.diagnosis)));
  first.append(element("span", "muted gold", "gold " + p.gold));
  node.append(first, element("div", "text", p.question));
  node.addEventListener("click", () => choose(position));
  return node;
}

function drawRows() {
  const from = Math.max(0, Math.floor(list.scrollTop / ROW) - SPARE);
  const to = Math.min(matching.length, Math.ceil((list.scrollTop + list.clientHeight) / ROW) + SPARE);
  const drawn = [];
  for (let position = from; position < to; position++) drawn.push(rowOf(position));
  rowsBox.style.height = matching.length * ROW + "px";
  rowsBox.replaceChildren(...drawn);
  list.setAttribute("aria-activedescendant", matching.length ? "row-" + current : "");
}

function choose(position) {
  if (!matching.length) return;
  current = Math.max(0, Math.min(matching.length - 1, position));
  const top = current * ROW;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + ROW > list.scrollTop + list.clientHeight) {
    list.scrollTop = top + ROW - list.clientHeight;
  }
  drawRows();
  showDetail(predictions[matching[current]]);
  remember();
}

let waiting = false;
list.addEventListener("scroll", () => {
  if (waiting) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; drawRows(); });
});
