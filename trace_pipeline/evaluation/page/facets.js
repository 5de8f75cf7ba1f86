// The predictions, and which of them the filters let through.
// All text reaches the page through textContent: nothing that a model wrote can become markup.
const byId = (id) => document.getElementById(id);

const data = JSON.parse(byId("predictions").textContent);
const predictions = data.rows.map((row) =>
  Object.fromEntries(data.columns.map((name, place) => [name, row[place]])));
const haystacks = predictions.map((p) =>
  [p.index, p.status, p.diagnosis, p.gold, p.question, p.completion].join("\n").toLowerCase());

function readable(name) {
  return name.replaceAll("_", " ");
}

// Each facet names the values that a prediction has: a verdict is found by its kind and by its
// kind with the reason.
const facets = {
  verdict: (p) => (p.outcome === p.kind ? [p.kind] : [p.kind, p.outcome]),
  diagnosis: (p) => (p.diagnosis ? [p.diagnosis] : []),
  expert: (p) => [p.expert],
  steps: (p) => [p.steps],
  doubt: (p) => (p.doubts && !p.doubts.length ? ["none"] : p.doubts || []),
};
const chosen = { verdict: "", diagnosis: "", expert: "", steps: "", doubt: "" };
let words = [];

function passes(p, place, except) {
  for (const [name, values] of Object.entries(facets)) {
    if (name !== except && chosen[name] && !values(p).includes(chosen[name])) return false;
  }
  return words.every((word) => haystacks[place].includes(word));
}

function matchingPlaces() {
  const found = [];
  predictions.forEach((p, place) => { if (passes(p, place)) found.push(place); });
  return found;
}

// Values of a facet with how many predictions each would leave, the other filters as they are.
function facetCounts(name) {
  const counts = new Map();
  predictions.forEach((p, place) => {
    const counted = passes(p, place, name);
    for (const value of facets[name](p)) {
      counts.set(value, (counts.get(value) || 0) + (counted ? 1 : 0));
    }
  });
  const order = (a, b) => a.localeCompare(b, "en", { numeric: true });
  return [...counts].sort((a, b) => order(a[0], b[0]));
}

function fillFacets() {
  for (const name of Object.keys(facets)) {
    const select = byId("facet-" + name);
    const counts = facetCounts(name);
    const options = counts.map(([value, count]) => {
      const [kind, reason] = value.split(":");
      const text = reason ? "– " + readable(reason) : readable(kind);
      return new Option(text + " (" + count + ")", value);
    });
    select.replaceChildren(new Option("all", ""), ...options);
    select.value = chosen[name];
    select.closest("label").hidden = counts.length === 0;
  }
}
