// What an output came from: pointing at a part of it lights up its source.

import { fillSource, spansOf } from "./text.js";

const LOOKED_AT = 3; // source words named for an output word
const NOTABLE = 5; // per cent

/** The source's lit spans, and a sentence, for one unit of an output. */
export function explainUnit(how, unit, source, text) {
  const [begin, end] = spansOf(how.target)[unit];
  const what = `“${text.slice(begin, end)}”`;
  const quoted = (span) => `“${source.slice(...span)}”`;
  const places = spansOf(how.source);
  if (how.kind === "phrases") {
    const spans = places.map(([from, to], n) => ({ begin: from, end: to, weight: n === unit ? 60 : 0 }));
    const copied = how.copied.includes(unit);
    const origin = copied
      ? `${what} was copied: the system does not know the word`
      : `${what} comes from ${quoted(places[unit])}`;
    return { spans: apart(spans), words: `${origin}${jumpInWords(how.jumps[unit])}.` };
  }
  const weights = places.map((_, n) => Number(how.weights[unit].slice(2 * n, 2 * n + 2)));
  const spans = places.map(([from, to], n) => ({ begin: from, end: to, weight: 0.7 * weights[n] }));
  const seen = weights
    .map((weight, n) => ({ weight, n }))
    .filter(({ weight }) => weight >= NOTABLE)
    .sort((a, b) => b.weight - a.weight)
    .slice(0, LOOKED_AT)
    .map(({ weight, n }) => `${quoted(places[n])} ${weight}\u00a0%`);
  return { spans: apart(spans), words: `${what} looks at ${seen.join(", ") || "no word in particular"}.` };
}

function jumpInWords(jump) {
  if (!jump) return "";
  const words = `${Math.abs(jump)} word${Math.abs(jump) > 1 ? "s" : ""}`;
  return jump > 0 ? `, after skipping ${words}` : `, after going back ${words}`;
}

/** In the order of the text; of those that overlap, the heaviest. */
function apart(spans) {
  const kept = [];
  for (const span of [...spans].sort((a, b) => b.weight - a.weight)) {
    if (kept.every(({ begin, end }) => span.end <= begin || end <= span.begin)) kept.push(span);
  }
  return kept.sort((a, b) => a.begin - b.begin);
}

/**
 * Let the outputs of a sentence be explained by pointer, tap and keyboard.
 *
 * parts: {sentence, source, how (the line for words), outputs: [{line, output}, ...]}
 * shown: called after the source was drawn anew.
 */
export function explainOnDemand({ sentence, source, how, outputs }, shown) {
  const hint = how.textContent;

  function show(chosen, unit) {
    for (const each of outputs) {
      for (const part of each.line.querySelectorAll(".unit")) {
        part.classList.toggle("active", each === chosen && part.dataset.unit === String(unit));
      }
    }
    const explained = chosen
      ? explainUnit(chosen.output.how, unit, sentence.source, chosen.output.text)
      : { spans: [], words: hint };
    fillSource(source, sentence.source, explained.spans);
    source.className = chosen ? `lighted ${chosen.line.dataset.colour}` : "";
    how.textContent = explained.words;
    shown();
  }

  for (const each of outputs.filter(({ output }) => output.how)) {
    const { line, output } = each;
    const last = output.how.target.length / 2 - 1;
    let unit = 0;
    const unitAt = (event) => event.target.closest?.(".unit")?.dataset.unit;
    line.addEventListener("pointerover", (event) => {
      if (unitAt(event) !== undefined) show(each, Number(unitAt(event)));
    });
    line.addEventListener("pointerleave", (event) => {
      if (event.pointerType !== "mouse") return; // a tapped word stays explained
      if (document.activeElement === line) show(each, unit);
      else show(null);
    });
    line.addEventListener("pointerdown", (event) => {
      unit = Number(unitAt(event) ?? unit);
      if (document.activeElement === line) show(each, unit);
    });
    line.addEventListener("focus", () => show(each, unit));
    line.addEventListener("blur", () => show(null));
    line.addEventListener("keydown", (event) => {
      const steps = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity };
      if (event.key in steps) {
        unit = Math.min(last, Math.max(0, unit + steps[event.key]));
        show(each, unit);
        event.preventDefault();
      }
    });
  }
}
