// Texts with marks in them, as elements. Texts come in by textContent only.

export function element(name, { className, text, ...attributes } = {}, children = []) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** [begin, end, begin, end, ...] as [[begin, end], ...] */
export function spansOf(flat) {
  return Array.from({ length: flat.length / 2 }, (_, n) => [flat[2 * n], flat[2 * n + 1]]);
}

/** An output: its differences from the reference marked, its explained units as elements. */
export function fillOutput(line, { text, changed, missing, how }) {
  const units = how ? spansOf(how.target) : [];
  const differing = spansOf(changed);
  const cuts = [0, text.length, ...missing, ...units.flat(), ...differing.flat()];
  const places = [...new Set(cuts)].sort((a, b) => a - b);
  const gaps = new Set(missing);
  let parent = line;
  line.replaceChildren();
  places.forEach((begin, n) => {
    if (gaps.has(begin)) line.append(missingWords());
    const end = places[n + 1];
    if (end === undefined) return;
    const unit = units.findIndex(([from, to]) => from <= begin && end <= to);
    parent = unit < 0 ? line : unitElement(line, unit);
    const differs = differing.some(([from, to]) => from <= begin && end <= to);
    const part = text.slice(begin, end);
    parent.append(differs ? element("span", { className: "differs", text: part }) : part);
  });
}

function unitElement(line, unit) {
  const last = line.lastElementChild;
  if (last?.dataset.unit === String(unit)) return last;
  const made = element("span", { className: "unit", "data-unit": unit });
  line.append(made);
  return made;
}

function missingWords() {
  return element("span", { className: "missing", title: "the reference has more here" });
}

/** A source: spans of it lit up by their weights (0 to 100). */
export function fillSource(line, text, spans) {
  let last = 0;
  line.replaceChildren();
  for (const { begin, end, weight } of spans) {
    const lit = element("span", { className: "lit", text: text.slice(begin, end) });
    lit.style.setProperty("--weight", `${weight}%`);
    line.append(text.slice(last, begin), lit);
    last = end;
  }
  line.append(text.slice(last));
}
