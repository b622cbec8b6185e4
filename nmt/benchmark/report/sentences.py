"""The sentences as the page's browser of them gets them, and one that is typical."""

from __future__ import annotations

from statistics import fmean
from typing import Any

from nmt.benchmark.report.explanations import AttentionLinks, PhraseLinks, read_explanations
from nmt.benchmark.report.marks import Differences, Span, differences, utf16
from nmt.benchmark.results import Results, Sentence, TestSet
from nmt.corpus.languages import is_unspaced

_TYPICAL_CHARACTERS = range(40, 110)


def sentence_data(results: Results, test: TestSet) -> dict[str, Any]:
    """A test set's sentences as JSON values for the page's script.

    ::

        systems: [name, ...]
        sentences: [{source, reference, outputs: [output, ...]}, ...]   outputs as systems
        output: {text, chrf, changed, missing, how}
        changed: [begin, end, begin, end, ...]   in the text; not in the reference
        missing: [place, ...]                    in the text; the reference has more there
        how: null, or {kind: "phrases", target: [begin, end, ...], source: [begin, end, ...],
             copied: [phrase, ...], jumps: [words skipped before, ...]}
             or {kind: "attention", target: [...], source: [...], weights: ["0397", ...]}

    All places count as JavaScript does (UTF-16). ``weights`` has a string for each target word and
    two digits in it for each source word: a percentage, 99 at most.
    """
    systems = [system.name for system in results.systems if system.name in test.scores]
    return {
        "systems": systems,
        "sentences": [_sentence(results, systems, sentence) for sentence in test.sentences],
    }


def _sentence(results: Results, systems: list[str], sentence: Sentence) -> dict[str, Any]:
    return {
        "source": sentence.source,
        "reference": sentence.reference,
        "outputs": [_output(results, sentence, system) for system in systems],
    }


def _output(results: Results, sentence: Sentence, system: str) -> dict[str, Any]:
    text = sentence.outputs.get(system, "")
    unspaced_target = is_unspaced(results.target_language)
    found = differences(text, sentence.reference, unspaced=unspaced_target)
    place = utf16(text)
    links = read_explanations(
        sentence.explanations.get(system, []),
        sentence.source,
        text,
        unspaced_source=is_unspaced(results.source_language),
        unspaced_target=unspaced_target,
    )
    return {
        "text": text,
        "chrf": round(sentence.chrf.get(system, 0.0), 1),
        "changed": _flat(found.changed, place),
        "missing": [place[at] for at in found.missing],
        "how": _how(links, utf16(sentence.source), place),
    }


def _how(
    links: PhraseLinks | AttentionLinks | None, source: list[int], target: list[int]
) -> dict[str, Any] | None:
    match links:
        case None:
            return None
        case PhraseLinks(phrases):
            return {
                "kind": links.kind,
                "target": _flat([phrase.target for phrase in phrases], target),
                "source": _flat([phrase.source for phrase in phrases], source),
                "copied": [n for n, phrase in enumerate(phrases) if phrase.copied],
                "jumps": [phrase.jump for phrase in phrases],
            }
        case AttentionLinks():
            percent_TS = (100 * links.weights_TS).round().clip(max=99).astype(int).tolist()
            return {
                "kind": links.kind,
                "target": _flat(links.target, target),
                "source": _flat(links.source, source),
                "weights": ["".join(f"{value:02}" for value in row) for row in percent_TS],
            }


def _flat(spans: list[Span], place: list[int]) -> list[int]:
    return [place[at] for span in spans for at in span]


def typical_sentence(results: Results, test: TestSet) -> Sentence | None:
    """The sentence whose chrF is nearest, over all systems, to their means.

    One of the usual length, if there are any; None for a test set without sentences.
    """
    names = [system.name for system in results.systems if system.name in test.scores]
    sentences = [s for s in test.sentences if all(name in s.chrf for name in names)]
    if not sentences or not names:
        return None
    means = {name: fmean(s.chrf[name] for s in sentences) for name in names}
    usual = [s for s in sentences if len(s.source) in _TYPICAL_CHARACTERS]
    return min(
        usual or sentences, key=lambda s: sum(abs(s.chrf[name] - means[name]) for name in names)
    )


def reference_differences(results: Results, sentence: Sentence, system: str) -> Differences:
    """How a system's output differs from the reference."""
    unspaced = is_unspaced(results.target_language)
    return differences(sentence.outputs.get(system, ""), sentence.reference, unspaced=unspaced)
