"""The test sentences one by one: sentence scores, and how the systems came to their outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.benchmark.comparison import Outputs
from nmt.benchmark.results import Sentence
from nmt.errors import UserError
from nmt.evaluation.scorer import Scorer
from nmt.files import build_once
from nmt.model_folder import ModelFolder
from nmt.recipe import EvaluationSettings
from nmt.systems import Device, load

MOST_EXPLAINED: Final = 200
"""Sentences whose translations are explained: those on which the systems differ most."""
MOST_EXPLANATION_BYTES: Final = 1_500_000
"""JSON of all explanations together; a report is to be mailed, and opened on a phone."""

_VERSION: Final = 1
"""Raised when the same sentences give other explanations than before."""
_EXPLANATIONS: Final = "explanations.json"
_SIGNIFICANT_DIGITS: Final = 3


class _CannotExplain(Exception):
    """This kind of system does not say how its translations came about."""


def sentence_chrf(
    outputs: Outputs, evaluation: EvaluationSettings
) -> dict[str, NDArray[np.float64]]:
    """System to the chrF2 of each of its sentences."""
    scorer = Scorer([outputs.reference], ["chrf"], lowercase=evaluation.lowercase)
    return {
        name: scorer.values("chrf", scorer.statistics(text)["chrf"])
        for name, text in outputs.systems.items()
    }


def describe_sentences(
    tests: Mapping[str, Outputs],
    models: Mapping[str, ModelFolder],
    evaluation: EvaluationSettings,
    *,
    cache: Path,
    device: Device,
) -> dict[str, list[Sentence]]:
    """Test set to its sentences, in order, with outputs, scores and explanations.

    Explained are the sentences whose scores differ most between systems, over all test sets: at
    most `MOST_EXPLAINED`, and as many as `MOST_EXPLANATION_BYTES` hold.
    """
    chrf = {test: sentence_chrf(outputs, evaluation) for test, outputs in tests.items()}
    places = _most_different(chrf)[:MOST_EXPLAINED]
    sources = [tests[test].source[number] for test, number in places]
    explained = {
        name: explain(
            model, sources, [tests[test].systems[name][number] for test, number in places],
            cache=cache, device=device,
        )
        for name, model in models.items()
    }  # fmt: skip
    kept: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    left = MOST_EXPLANATION_BYTES
    for index, place in enumerate(places):
        found = {name: explanations[index] for name, explanations in explained.items()}
        left -= len(json.dumps(found, ensure_ascii=False).encode("utf-8"))
        if left < 0:
            break
        kept[place] = found
    nothing: dict[str, list[dict[str, Any]]] = {name: [] for name in models}
    return {
        test: [
            Sentence(
                source=source,
                reference=reference,
                outputs={name: outputs.systems[name][number] for name in models},
                chrf={name: round(float(chrf[test][name][number]), 2) for name in models},
                explanations=kept.get((test, number), nothing),
            )
            for number, (source, reference) in enumerate(
                zip(outputs.source, outputs.reference, strict=True)
            )
        ]
        for test, outputs in tests.items()
    }


def _most_different(
    chrf: Mapping[str, Mapping[str, NDArray[np.float64]]],
) -> list[tuple[str, int]]:
    """Test sets and numbers of their sentences, the one with the widest spread of scores first."""
    spreads = []
    for test, scores in chrf.items():
        stacked = np.stack(list(scores.values()))
        spreads += [
            (spread, test, number)
            for number, spread in enumerate((stacked.max(axis=0) - stacked.min(axis=0)).tolist())
        ]
    spreads.sort(key=lambda one: -one[0])  # stable: among equals the earlier one
    return [(test, number) for _, test, number in spreads]


def explain(
    model: ModelFolder,
    sources: Sequence[str],
    translations: Sequence[str],
    *,
    cache: Path,
    device: Device,
) -> list[list[dict[str, Any]]]:
    """How a system came to its translations: for each, an explanation for each segment.

    None where the system cannot explain itself, or where it now finds another translation (on
    another device, say): what is shown is about the text that was scored.
    """
    inputs = {
        "version": _VERSION,
        "model": model_identity(model),
        "sources": list(sources),
        "translations": list(translations),
    }

    def build(folder: Path) -> None:
        translator = load(model.path, device=device)
        try:
            found = translator.translate(sources, explain=True)
        except UserError as error:  # not stored: a later version of it may
            raise _CannotExplain from error
        explanations = [
            [_shortened(one.to_json()) for one in translation.alternatives[0].explanations]
            if translation.text == scored
            else []
            for translation, scored in zip(found, translations, strict=True)
        ]
        (folder / _EXPLANATIONS).write_text(json.dumps(explanations), encoding="utf-8")

    try:
        folder = build_once(cache, "explanations", inputs, build)
    except _CannotExplain:
        return [[] for _ in sources]
    stored: list[list[dict[str, Any]]] = json.loads(
        (folder / _EXPLANATIONS).read_text(encoding="utf-8")
    )
    return stored


def model_identity(model: ModelFolder) -> dict[str, Any]:
    """What a model's output depends on, wherever its folder lies."""
    return {
        "files": {name: facts.sha256 for name, facts in model.files.items()},
        "settings": model.settings,
    }


def _shortened(value: Any) -> Any:
    """The same with numbers of few digits and without features: both make most of its size."""
    match value:
        case float():
            return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
        case dict():
            return {key: _shortened(below) for key, below in value.items() if key != "features"}
        case list() | tuple():
            return [_shortened(below) for below in value]
    return value
