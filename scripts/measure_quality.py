"""What ensembles, reranking, forced terms and quality estimates are worth, on Multi30k.

``python -m scripts.measure_quality MODEL --data DIR`` measures, on the validation and the test set:

- with ``--member MODEL`` (repeated): BLEU and chrF of each model and of the ensemble of all;
- with ``--reverse MODEL``: of the best translations reranked, at several weights;
- how well `nmt.confidence.quality_estimate` ranks sentences by their chrF;
- with ``--terms N``: what happens when, of every sentence, up to N words of the reference that its
  translation lacks must occur in it.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import nmt
from nmt.confidence import quality_estimate
from nmt.evaluation.metrics import score
from nmt.evaluation.scorer import Scorer
from nmt.files import write_json
from nmt.glossary import met_terms
from nmt.guide import Guide
from nmt.lines import read_lines
from nmt.neural.reranking import rerank
from nmt.neural.system import NeuralTranslator
from nmt.search_options import SearchOptions
from nmt.translator import Translator
from scripts.benchmark import RESULTS, machine

_WEIGHTS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5)
_CANDIDATES = 12
_BATCH = 64

Pairs = tuple[list[str], list[str]]


def quality(hypotheses: Sequence[str], pairs: Pairs) -> dict[str, float]:
    """BLEU and chrF."""
    found = score(list(hypotheses), [pairs[1]], ["bleu", "chrf"])
    return {name: round(one.value, 2) for name, one in found.items()}


def translate(translator: Translator, pairs: Pairs, **options: Any) -> list[str]:
    """The best translations."""
    return [one.text for one in translator.translate(pairs[0], **options)]


def measure_reranking(
    translator: Translator, reverse: Translator, pairs: Pairs
) -> Iterator[tuple[float, dict[str, float]]]:
    """Quality at each weight; the same candidates always."""
    for weight in _WEIGHTS:
        both = rerank(translator, reverse, weight=weight, candidates=_CANDIDATES)
        yield weight, quality(translate(both, pairs), pairs)


def measure_estimates(translator: Translator, pairs: Pairs) -> dict[str, float]:
    """Correlations of quality estimates with sentence chrF."""
    found = translator.translate(pairs[0], explain=True)
    estimates = np.array([quality_estimate(one.alternatives[0]) for one in found])
    scorer = Scorer([pairs[1]], ["chrf"])
    chrf = scorer.values("chrf", scorer.statistics([one.text for one in found])["chrf"])
    return {
        "pearson": round(correlation(estimates, chrf), 3),
        "spearman": round(correlation(ranks(estimates), ranks(chrf)), 3),
    }


def correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Pearson's."""
    return float(np.corrcoef(one, other)[0, 1])


def ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 1; the mean of theirs for equal values."""
    _, number, count = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean: NDArray[np.float64] = (last - (count - 1) / 2)[number]
    return mean


def measure_terms(translator: NeuralTranslator, pairs: Pairs, terms: int) -> dict[str, Any]:
    """What forcing words of the references brings, and costs."""
    draw = random.Random(1)
    started = time.process_time()
    plain = translate(translator, pairs)
    plain_seconds = time.process_time() - started
    guides = []
    for output, reference in zip(plain, pairs[1], strict=True):
        said = set(re.findall(r"\w+", output))
        missing = [word for word in re.findall(r"\w{3,}", reference) if word not in said]
        chosen = draw.sample(missing, min(len(missing), terms))
        guides.append(Guide(must=tuple((word,) for word in chosen)))
    order = sorted(range(len(guides)), key=lambda number: -len(pairs[0][number]))
    guided = [""] * len(guides)
    started = time.process_time()
    for begin in range(0, len(order), _BATCH):
        part = order[begin : begin + _BATCH]
        found = translator.search_guided(
            [pairs[0][n] for n in part], [guides[n] for n in part], SearchOptions()
        )
        for number, hypotheses in zip(part, found, strict=True):
            guided[number] = hypotheses[0].text
    return {
        "terms": sum(len(guide.must) for guide in guides),
        "met": sum(
            sum(met_terms(guide, text).values()) for guide, text in zip(guides, guided, strict=True)
        ),
        "plain": quality(plain, pairs),
        "guided": quality(guided, pairs),
        "plain_cpu_seconds": round(plain_seconds, 1),
        "guided_cpu_seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    """Print the figures as they come, and write them as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds multi30k")
    parser.add_argument("--member", type=Path, action="append", default=[])
    parser.add_argument("--reverse", type=Path)
    parser.add_argument("--terms", type=int, default=0)
    parser.add_argument("--output", type=Path, default=RESULTS / "measure_quality.json")
    arguments = parser.parse_args()
    translator = nmt.load(arguments.model, device="cpu")
    assert isinstance(translator, NeuralTranslator)
    languages = (translator.source_language, translator.target_language)
    results: dict[str, Any] = {"machine": machine()}

    def tell(key: str, value: Any) -> None:
        results[key] = value
        print(key, json.dumps(value), flush=True)

    for test in ("valid", "test2016"):
        pairs = tuple(read_lines(arguments.data / f"multi30k/{test}.{one}") for one in languages)
        pairs = (pairs[0], pairs[1])
        for path in [arguments.model, *arguments.member]:
            tell(
                f"{test} {path.name}",
                quality(translate(nmt.load(path, device="cpu"), pairs), pairs),
            )
        if arguments.member:
            together = nmt.load([arguments.model, *arguments.member], device="cpu")
            tell(f"{test} ensemble", quality(translate(together, pairs), pairs))
        if arguments.reverse:
            reverse = nmt.load(arguments.reverse, device="cpu")
            for weight, found in measure_reranking(translator, reverse, pairs):
                tell(f"{test} reranked {weight}", found)
        tell(f"{test} quality estimates", measure_estimates(translator, pairs))
        if arguments.terms:
            tell(f"{test} terms", measure_terms(translator, pairs, arguments.terms))
    write_json(arguments.output, results)


if __name__ == "__main__":
    main()
