// Filters, keys, the address and printing.
const search = byId("search");
const form = byId("filters");
const PRINTED = 300; // rows of the list on paper

// The view stands in the address, so that it can be kept and passed on; a link to a section
// stays what it is until somebody chooses something.
let touched = false;

function remember() {
  if (!touched) return;
  const state = new URLSearchParams();
  for (const [name, value] of Object.entries(chosen)) if (value) state.set(name, value);
  if (search.value) state.set("search", search.value);
  if (matching.length) state.set("problem", predictions[matching[current]].index);
  try {
    history.replaceState(null, "", "#" + state);
  } catch (error) {
    // A frame without an origin of its own, such as MLflow's, has no address to keep it in.
  }
}

function recall() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(chosen)) chosen[name] = state.get(name) || "";
  search.value = state.get("search") || "";
  return state.get("problem");
}

function apply(problem) {
  words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  matching = matchingPlaces();
  fillFacets();
  byId("shown").textContent = matching.length.toLocaleString("en") + " of " +
    predictions.length.toLocaleString("en") + " predictions";
  const wanted = matching.findIndex((place) => String(predictions[place].index) === problem);
  list.scrollTop = 0;
  current = 0;
  if (matching.length) {
    choose(Math.max(0, wanted));
  } else {
    drawRows();
    detail.replaceChildren(element("p", "muted", "No prediction passes these filters."));
    remember();
  }
}

for (const name of Object.keys(chosen)) {
  byId("facet-" + name).addEventListener("change", (event) => {
    chosen[name] = event.target.value;
    apply();
  });
}
search.addEventListener("input", () => apply());
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => {
  for (const name of Object.keys(chosen)) chosen[name] = "";
  search.value = "";
  apply();
});

// A row's name in a table shows the predictions that it counts.
for (const button of document.querySelectorAll("[data-facet]")) {
  button.title = "Show these predictions";
  button.addEventListener("click", () => {
    form.reset();
    chosen[button.dataset.facet] = button.dataset.value;
    apply();
    byId("browser").scrollIntoView();
    list.focus({ preventScroll: true });
  });
}

const STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: 8, PageUp: -8 };

function onListKey(event) {
  if (event.key in STEPS) choose(current + STEPS[event.key]);
  else if (event.key === "Home") choose(0);
  else if (event.key === "End") choose(matching.length - 1);
  else if (event.key === "Enter") detail.focus();
  else return;
  event.preventDefault();
}
list.addEventListener("keydown", onListKey);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    // A search field would lose its words, and the list would still be what they left.
    if (event.target === search) event.preventDefault();
    list.focus();
  } else if (!typing && event.key === "/") {
    event.preventDefault();
    search.focus();
  } else if (!typing && event.target !== list && (event.key === "j" || event.key === "k")) {
    onListKey(event);
  }
});

addEventListener("beforeprint", () => {
  const table = element("table");
  for (const place of matching.slice(0, PRINTED)) {
    const p = predictions[place];
    const row = table.insertRow();
    for (const text of ["#" + p.index, readable(p.status), "gold " + p.gold, p.question]) {
      row.insertCell().textContent = text;
    }
  }
  const left = matching.length - PRINTED;
  const more = left > 0 ? [element("p", "muted", "and " + left + " more")] : [];
  byId("printed").replaceChildren(table, ...more);
});
addEventListener("afterprint", () => byId("printed").replaceChildren());
addEventListener("resize", () => drawRows());
addEventListener("hashchange", () => {
  if (location.hash.includes("=")) apply(recall());
});

apply(recall());
touched = true;
