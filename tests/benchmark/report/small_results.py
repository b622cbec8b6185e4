"""Results of a benchmark that never was: our own sentences, figures by hand."""

from __future__ import annotations

from typing import Any

from nmt.benchmark.results import (
    CurvePoint,
    LengthBin,
    Machine,
    Results,
    Sentence,
    SizePoint,
    Step,
    StepTest,
    SystemCost,
    SystemResult,
    TestSet,
)
from nmt.evaluation.metrics import Score
from nmt.evaluation.names import MetricName

LADDER = ("word-by-word", "phrase-based", "recurrent", "transformer")
_BLEU = dict(zip(LADDER, (9.5, 31.25, 30.0, 36.0), strict=True))

_TEXTS = [
    (
        "The old baker sells fresh bread.",
        "Der alte Bäcker verkauft frisches Brot.",
        "Der alt Bäcker verkauft frisch Brot.",
        "Der alte Bäcker verkauft Brot frisch.",
        "Der alte Bäcker verkauft neues Brot.",
        "Der alte Bäcker verkauft frisches Brot.",
    ),
    (
        "My sister has not found her key.",
        "Meine Schwester hat ihren Schlüssel nicht gefunden.",
        "Mein Schwester hat nicht gefunden ihr Schlüssel.",
        "Meine Schwester hat nicht gefunden ihren Schlüssel.",
        "Meine Schwester hat ihren Schlüssel gefunden.",
        "Meine Schwester hat ihren Schlüssel nicht gefunden.",
    ),
]


def sentence(
    source: str, reference: str, outputs: dict[str, str], **explanations: list[dict[str, Any]]
) -> Sentence:
    """A sentence whose chrF is a plain share of the reference's characters."""
    chrf = {
        name: 100.0 * len(set(text) & set(reference)) / max(1, len(set(text) | set(reference)))
        for name, text in outputs.items()
    }
    return Sentence(
        source=source, reference=reference, outputs=outputs, chrf=chrf, explanations=explanations
    )


def phrases(source: str, target: str) -> dict[str, Any]:
    """An explanation of a word for a word, in the order of the source."""
    source_words, target_words = source.split(), target.split()
    number = min(len(source_words), len(target_words))
    return {
        "source": source_words,
        "target": target_words,
        "score": -1.5,
        "phrases": [
            {
                "source_span": [n, n + 1 if n < number - 1 else len(source_words)],
                "target_span": [n, n + 1 if n < number - 1 else len(target_words)],
                "copied": False,
                "jump": 0,
            }
            for n in range(number)
        ],
    }


def attention(source: str, target: str) -> dict[str, Any]:
    """An explanation in which each output word looks at one source word, and the end at the end."""
    pieces, target_pieces = [*source.split(), "</s>"], [*target.split(), "</s>"]
    return {
        "kind": "attention",
        "source": pieces,
        "target": target_pieces,
        "attention": [
            [0.9 if s == min(t, len(pieces) - 1) else 0.1 / (len(pieces) - 1)
             for s in range(len(pieces))]
            for t in range(len(target_pieces))
        ],
        "score": -0.7,
    }  # fmt: skip


def step(before: str, after: str, difference: float, p: float, other: float | None = None) -> Step:
    """A step tested in BLEU; ``other`` is the p-value of the second test where it differs."""
    return Step(
        before=before,
        after=after,
        tests=[
            StepTest(
                metric="bleu", difference=difference, interval=(difference - 1, difference + 1),
                p_bootstrap=p, p_randomization=p if other is None else other,
            )
        ],
    )  # fmt: skip


def scores(bleu: float) -> dict[MetricName, Score]:
    """BLEU as given, chrF2 and TER to go with it, with intervals and signatures."""
    values: dict[MetricName, float] = {"bleu": bleu, "chrf": 30 + bleu, "ter": 90 - bleu}
    return {
        metric: Score(metric, value, f"nrefs:1|of:{metric}", (value - 1.5, value + 1.5), 0.95)
        for metric, value in values.items()
    }


def small_results(**changes: Any) -> Results:
    """The ladder of four on one test set of 24 sentences; ``changes`` replace fields."""
    sentences = []
    for number in range(24):
        source, reference, *outputs = (f"{text} {number}" for text in _TEXTS[number % 2])
        by_name = dict(zip(LADDER, outputs, strict=True))
        explanations: dict[str, list[dict[str, Any]]] = {
            "phrase-based": [phrases(source, by_name["phrase-based"])],
            "transformer": [attention(source, by_name["transformer"])],
            "word-by-word": [],
        }
        sentences.append(sentence(source, reference, by_name, **explanations))
    test = TestSet(
        name="market",
        scores={name: scores(bleu) for name, bleu in _BLEU.items()},
        steps=[
            step("word-by-word", "phrase-based", 21.75, 0.0005),
            step("phrase-based", "recurrent", -1.25, 0.01),
            step("recurrent", "transformer", 6.0, 0.0005),
        ],
        lengths=[
            LengthBin(low=1, high=9, num_sentences=14, bleu=_BLEU),
            LengthBin(low=10, high=None, num_sentences=10, bleu=_BLEU),
        ],
        sentences=sentences,
    )
    systems = [
        SystemResult(
            name=name,
            kind=name,
            cost=SystemCost(
                training_seconds=30.0 * 4**n, training_cpu_seconds=50.0 * 4**n,
                training_memory_bytes=600_000_000 if n else None, training_device="2 CPU cores",
                model_bytes=9_500_000, parameters=2_350_000 if n > 1 else None,
                sentences_per_second=400 / 2**n, translation_memory_bytes=None,
            ),
            curve=[
                CurvePoint(update=u, cpu_seconds=u * 2.0, scores={"loss": 9.0 / u, "bleu": u / 30})
                for u in (range(100, 1001, 100) if n > 1 else ())
            ],
        )
        for n, name in enumerate(LADDER)
    ]  # fmt: skip
    sizes = [
        SizePoint(
            num_pairs=pairs, system=name, test="market", training_cpu_seconds=9.0,
            bleu=Score("bleu", bleu * part, "nrefs:1", (bleu * part - 1, bleu * part + 1), 0.95),
        )
        for pairs, part in ((500, 0.3), (1000, 0.6), (2000, 1.0))
        for name, bleu in _BLEU.items()
    ]  # fmt: skip
    fields: dict[str, Any] = {
        "recipe": "market-en-de",
        "description": "Sentences from a market.",
        "generated": False,
        "source_language": "en",
        "target_language": "de",
        "num_training_pairs": 2000,
        "machine": Machine(device="2 CPU cores", processor="any", versions={"nmt": "0.1.0"}),
        "date": "2026-03-04",
        "systems": systems,
        "tests": [test],
        "sizes": sizes,
    }
    return Results(**(fields | changes))
