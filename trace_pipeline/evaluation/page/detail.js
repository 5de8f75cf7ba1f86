// One prediction in full: the question, what the model wrote beside the reference, the steps.
const detail = byId("detail");

function part(title, ...content) {
  const node = element("div", "part");
  node.append(element("h4", "", title), ...content);
  return node;
}

// A text line by line; mark is [line, note] or null.
function lines(text, mark, word) {
  const pre = element("pre");
  text.replace(/\n+$/, "").split("\n").forEach((content, place) => {
    const marked = mark && mark[0] === place;
    const line = element("div", marked ? "line " + word : "line", content || " ");
    pre.append(line);
    if (marked) {
      const sign = word === "wrong" ? "✗ wrong step: " : "← missing: ";
      pre.append(element("div", "note " + word, sign + mark[1]));
    }
  });
  return pre;
}

function facts(p) {
  const found = ["gold " + p.gold, p.tokens + " tokens", p.seconds + " s"];
  if (p.expert !== "none") found.push("expert " + readable(p.expert));
  if (p.steps !== "unknown") found.push(p.steps + (p.steps === "1" ? " step" : " steps"));
  if (p.clipped) found.push("cut by the token limit");
  return found.join(" · ");
}

function othersOf(p) {
  return p.others
    .map((status, place) => status && data.models[place] + ": " + readable(status))
    .filter(Boolean);
}

function ordered(items) {
  const node = element("ol");
  node.append(...items.map((item) => element("li", "", item.trim())));
  return node;
}

function mover(text, label, to) {
  const button = element("button", "", text);
  button.type = "button";
  button.setAttribute("aria-label", label);
  button.addEventListener("click", () => {
    choose(current + to);
    // The prediction is drawn anew, and this button with it: its successor is pressed next.
    detail.querySelector(`[aria-label="${label}"]`).focus();
  });
  return button;
}

function showDetail(p) {
  const head = element("div", "head");
  head.append(element("h3", "", "Problem " + p.index), chip(p),
    mover("↑", "Previous prediction", -1), mover("↓", "Next prediction", 1));
  const columns = element("div", "columns");
  columns.append(part("Predicted", lines(p.completion, p.mark, "wrong")));
  if (p.trace) columns.append(part("Reference", lines(p.trace, p.traceMark, "missing")));
  if (p.solution) columns.append(part(p.trace ? "Author's solution" : "Reference", lines(p.solution)));
  const content = [head, element("p", "question", p.question), element("p", "muted", facts(p))];
  if (p.diagnosis) {
    const said = element("p", "said");
    said.append(element("strong", "", readable(p.diagnosis) + ". "), p.explanation);
    content.push(said);
  }
  if (p.doubts && p.doubts.length) {
    content.push(element("p", "said", "Doubtful: " + p.doubts.map(readable).join(", ") + "."));
  }
  if (p.message && p.kind !== "correct") content.push(element("p", "said", "Solver: " + p.message));
  content.push(columns);
  if (p.solved.length) content.push(part("The solver's steps", ordered(p.solved)));
  const others = othersOf(p);
  if (others.length) content.push(part("Other models", element("p", "", others.join(" · "))));
  detail.replaceChildren(...content);
  detail.scrollTop = 0;
}
