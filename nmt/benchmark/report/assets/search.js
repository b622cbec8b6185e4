// Finding text in sentences, and showing where it was found.

/** A pattern that finds what was typed, whatever its case; null if nothing was. */
export function searchPattern(typed) {
  const words = typed.trim().split(/\s+/u).map((word) => word.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"));
  return words[0] ? new RegExp(words.join("\\s+"), "giu") : null;
}

export function matches(pattern, sentence) {
  const texts = [sentence.source, sentence.reference, ...sentence.outputs.map(({ text }) => text)];
  return texts.some((text) => text.search(pattern) >= 0);
}

/** Mark what a pattern finds in some elements, without touching their content. */
export function highlightMatches(elements, pattern) {
  if (!globalThis.CSS?.highlights) return; // an older browser: found, but not marked
  const ranges = pattern ? [...elements].flatMap((element) => rangesIn(element, pattern)) : [];
  CSS.highlights.set("found", new Highlight(...ranges));
}

function rangesIn(element, pattern) {
  const nodes = [];
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  let length = 0;
  while (walker.nextNode()) {
    nodes.push({ node: walker.currentNode, begin: length });
    length += walker.currentNode.length;
  }
  const at = (place) => {
    const { node, begin } = nodes.findLast((each) => each.begin <= place);
    return [node, place - begin];
  };
  return [...element.textContent.matchAll(pattern)].map((match) => {
    const range = document.createRange();
    range.setStart(...at(match.index));
    range.setEnd(...at(match.index + match[0].length));
    return range;
  });
}
