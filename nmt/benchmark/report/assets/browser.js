// The browser of sentences: chosen, ordered and searched in memory, shown a page at a time.

import { explainOnDemand } from "./explain.js";
import { highlightMatches, matches, searchPattern } from "./search.js";
import { element, fillOutput } from "./text.js";
import { startTheme } from "./theme.js";

const PAGE = 10;
const get = (id) => document.getElementById(id);

const section = get("sentences");
const colours = JSON.parse(section.dataset.colours);
const { sourceLanguage, targetLanguage } = section.dataset;
const state = { systems: [], sentences: [], visible: new Set(), found: [], pattern: null, page: 0 };

/** Orders by name: [label, value to sort by, the highest first]. */
function orders(systems) {
  const chrf = (sentence, n) => sentence.outputs[n].chrf;
  const difference = (sentence) => {
    const values = [...state.visible].map((n) => chrf(sentence, n));
    return values.length > 1 ? Math.max(...values) - Math.min(...values) : 0;
  };
  const made = new Map([["difference", ["where the systems differ most", difference]]]);
  for (let after = 1; after < systems.length; after += 1) {
    const before = after - 1;
    const gain = (sentence) => chrf(sentence, after) - chrf(sentence, before);
    made.set(`gain-${after}`, [`${systems[after]} better than ${systems[before]}`, gain]);
    made.set(`loss-${after}`, [`${systems[before]} better than ${systems[after]}`, (s) => -gain(s)]);
  }
  made.set("longest", ["longest first", ({ source }) => source.length]);
  made.set("shortest", ["shortest first", ({ source }) => -source.length]);
  made.set("original", ["as in the test set", () => 0]);
  return made;
}

function loadTest(number) {
  const data = JSON.parse(get(`data-${number}`).textContent);
  state.systems = data.systems;
  state.sentences = data.sentences.map((sentence, n) => ({ ...sentence, number: n + 1 }));
  state.visible = new Set(data.systems.keys());
  const options = [...orders(data.systems)].map(([value, [text]]) => element("option", { value, text }));
  get("order").replaceChildren(...options);
  get("systems").replaceChildren(
    get("systems").querySelector("legend"),
    ...data.systems.map((name, n) => {
      const box = element("input", { type: "checkbox", value: n });
      box.checked = true;
      return element("label", { className: `system-${colours[name]}` }, [box, element("span", { className: "name", text: name })]);
    }),
  );
}

function update() {
  state.visible = new Set([...get("systems").querySelectorAll(":checked")].map(({ value }) => Number(value)));
  state.pattern = searchPattern(get("search").value);
  const [, value] = orders(state.systems).get(get("order").value);
  state.found = state.sentences
    .filter((sentence) => !state.pattern || matches(state.pattern, sentence))
    .map((sentence) => ({ sentence, value: value(sentence) }))
    .sort((a, b) => b.value - a.value)
    .map(({ sentence }) => sentence);
  state.page = 0;
  draw();
}

function draw() {
  const first = state.page * PAGE;
  const shown = state.found.slice(first, first + PAGE);
  get("list").replaceChildren(...shown.map(sentenceElement));
  mark();
  const total = state.found.length.toLocaleString("en");
  get("status").textContent = shown.length ? `${first + 1}–${first + shown.length} of ${total}` : "Nothing found";
  for (const pager of section.querySelectorAll(".pager")) {
    pager.hidden = false;
    pager.querySelector(".previous").disabled = state.page === 0;
    pager.querySelector(".next").disabled = first + PAGE >= state.found.length;
  }
}

function mark() {
  highlightMatches(get("list").querySelectorAll("dd"), state.pattern);
}

function sentenceElement(sentence) {
  const source = element("dd", { lang: sourceLanguage, dir: "auto", text: sentence.source });
  const reference = element("dd", { lang: targetLanguage, dir: "auto", text: sentence.reference });
  const rows = [row("source", source), row("reference", reference)];
  const outputs = [...state.visible].sort((a, b) => a - b).map((n) => {
    const output = sentence.outputs[n];
    const name = state.systems[n];
    const colour = `system-${colours[name]}`;
    const line = element("dd", { lang: targetLanguage, dir: "auto", "data-colour": colour });
    fillOutput(line, output);
    if (!output.text) line.append(element("span", { className: "nothing", text: "(nothing)" }));
    if (output.how) {
      line.classList.add(output.how.kind);
      line.tabIndex = 0;
      line.setAttribute("aria-describedby", "hint");
    }
    rows.push(row(name, line, { colour, chrf: output.chrf }));
    return { line, output };
  });
  const how = element("p", { className: "how", "aria-live": "polite", text: `Sentence ${sentence.number}` });
  explainOnDemand({ sentence, source, how, outputs }, mark);
  return element("li", { className: "card sentence" }, [element("dl", { className: "rows" }, rows), how]);
}

function row(label, line, { colour, chrf } = {}) {
  const term = element("dt", {}, [element("span", { className: colour ? "name" : "", text: label })]);
  if (chrf !== undefined) {
    term.append(" ", element("small", { text: `chrF ${chrf.toFixed(0)}`, title: "chrF2 of this sentence" }));
  }
  return element("div", { className: colour ? `output ${colour}` : "" }, [term, line]);
}

function turn(pages) {
  state.page += pages;
  draw();
  get("controls").nextElementSibling.scrollIntoView({ block: "start" });
}

function startBrowser() {
  get("controls").hidden = false;
  get("controls").addEventListener("submit", (event) => event.preventDefault());
  get("controls").addEventListener("input", (event) => {
    if (event.target.id === "test") loadTest(event.target.value);
    update();
  });
  for (const button of section.querySelectorAll(".previous")) button.addEventListener("click", () => turn(-1));
  for (const button of section.querySelectorAll(".next")) button.addEventListener("click", () => turn(1));
  loadTest(get("test")?.value ?? 0);
  update();
}

startTheme(get("theme"));
if (section.querySelector("script[type='application/json']")) startBrowser();
