"""Scores: sacreBLEU's own public functions are the oracle."""

from __future__ import annotations

import itertools
import json
import math
import os
from unittest import mock

import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.base import Metric
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER

from nmt.errors import UserError
from nmt.evaluation.metrics import corpus_bleu, corpus_chrf, score, score_with
from nmt.evaluation.names import METRIC_NAMES, TITLES
from nmt.evaluation.scorer import Scorer
from nmt.recipe.tree import EvaluationSettings

segments = st.lists(st.text(max_size=30), min_size=1, max_size=6)


def oracle(metric: str, *, tokenizer: str = "13a", lowercase: bool = False) -> Metric:
    match metric:
        case "bleu":
            return BLEU(tokenize=tokenizer, lowercase=lowercase)
        case "chrf":
            return CHRF(lowercase=lowercase)
        case _:
            return TER()


@pytest.mark.parametrize("metric", METRIC_NAMES)
@pytest.mark.parametrize("num_references", [1, 2])
def test_score_interval_and_signature_are_sacrebleus(
    metric: str,
    num_references: int,
    systems: dict[str, list[str]],
    references: list[list[str]],
) -> None:
    references = references[:num_references]
    [ours] = score(systems["first"], references, [metric], samples=200, seed=7).values()
    theirs = oracle(metric)
    with mock.patch.dict(os.environ, {"SACREBLEU_SEED": "7"}):
        expected = theirs.corpus_score(systems["first"], references, n_bootstrap=200)
    assert ours.value == pytest.approx(expected.score, abs=1e-12)
    assert ours.title == expected.name == TITLES[ours.metric]
    assert ours.signature == theirs.get_signature().format()
    assert ours.interval is not None
    low, high = ours.interval
    # sacreBLEU prints half the width; it sums in float32, we in float64.
    assert (high - low) / 2 == pytest.approx(expected._ci, abs=1e-4)
    assert low < ours.value < high


@given(segments, segments, st.sampled_from(["13a", "intl", "char", "zh", "none"]), st.booleans())
@settings(deadline=None, max_examples=60)
def test_any_text_scores_as_in_sacrebleu(
    hypotheses: list[str], lines: list[str], tokenizer: str, lowercase: bool
) -> None:
    count = min(len(hypotheses), len(lines))
    hypotheses, references = hypotheses[:count], [lines[:count]]
    ours = score(
        hypotheses,
        references,
        METRIC_NAMES,
        tokenizer=tokenizer,
        lowercase=lowercase,
        confidence=None,
    )
    for name, our_score in ours.items():
        theirs = oracle(name, tokenizer=tokenizer, lowercase=lowercase)
        assert our_score.value == theirs.corpus_score(hypotheses, references).score
        assert our_score.signature == theirs.get_signature().format()
        assert our_score.interval is None


def test_quick_functions_agree_with_sacrebleu(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    for hypotheses in systems.values():
        upper = [line.upper() for line in hypotheses]
        assert corpus_bleu(hypotheses, references) == (
            sacrebleu.corpus_bleu(hypotheses, references).score
        )
        assert corpus_bleu(upper, references, tokenizer="char", lowercase=True) == (
            sacrebleu.corpus_bleu(upper, references, tokenize="char", lowercase=True).score
        )
        assert corpus_chrf(hypotheses, references) == (
            sacrebleu.corpus_chrf(hypotheses, references).score
        )


def test_a_scorer_is_not_changed_by_what_it_scored(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    scorer = Scorer(references, METRIC_NAMES)
    before = scorer.scores(systems["first"])
    scorer.scores(systems["worse"])
    assert scorer.scores(systems["first"]) == before


def test_more_confidence_is_a_wider_interval(
    systems: dict[str, list[str]], references: list[list[str]]
) -> None:
    intervals = [
        score(systems["first"], references, ["bleu"], confidence=confidence)["bleu"].interval
        for confidence in (0.99, 0.95, 0.8)
    ]
    for outer, inner in itertools.pairwise(intervals):
        assert outer is not None
        assert inner is not None
        assert outer[0] < inner[0] < inner[1] < outer[1]


def test_blank_hypotheses_are_scored_as_empty() -> None:
    references = [["a small house is near", "the old tree is far"]]
    scores = score(["a small house is near", "  "], references, METRIC_NAMES, confidence=None)
    assert scores["ter"].value == 50
    # All n-grams are right; what is missing costs the brevity penalty, exp(1 - 10 / 5).
    assert scores["bleu"].value == pytest.approx(100 * math.exp(-1))
    assert score(["", ""], references, ["bleu"])["bleu"].interval == (0, 0)


def test_a_recipe_says_how_to_score(references: list[list[str]]) -> None:
    settings = EvaluationSettings(metrics=["ter", "bleu"], bleu_tokenizer="char", lowercase=True)
    scores = score_with(settings, references[0], references, confidence=None)
    assert list(scores) == ["ter", "bleu"]
    assert "case:lc" in scores["bleu"].signature
    assert "tok:char" in scores["bleu"].signature


def test_scores_survive_json(references: list[list[str]]) -> None:
    [bleu] = score(references[1], references[:1], ["bleu"]).values()
    read = json.loads(json.dumps(bleu.to_json()))
    assert read["value"] == bleu.value
    assert tuple(read["interval"]) == bleu.interval
    assert read["signature"] == bleu.signature
    assert bleu.signature in str(bleu)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"metrics": ["blue"]}, "did you mean bleu"),
        ({"metrics": []}, "no metric"),
        ({"tokenizer": "13b"}, "did you mean 13a"),
        ({"hypotheses": ["a"]}, "1 hypothesis lines for 2 reference lines"),
        ({"references": [["a", "b"], ["a"]]}, "unequal numbers of lines: 2, 1"),
        ({"references": [[], []], "hypotheses": []}, "no reference line"),
        ({"references": [], "hypotheses": []}, "no reference line"),
    ],
)
def test_mistakes_are_sentences(arguments: dict[str, list[str]], message: str) -> None:
    valid = {"hypotheses": ["a", "b"], "references": [["a", "b"]], "metrics": ["bleu"]}
    with pytest.raises(UserError, match=message):
        score(**(valid | arguments))  # type: ignore[arg-type]  # any of the cases


def test_a_tokenizer_that_is_not_installed_names_its_package() -> None:
    failing = mock.Mock(side_effect=RuntimeError("MeCab is missing"))
    with (
        mock.patch("sacrebleu.metrics.bleu._get_tokenizer", return_value=failing),
        pytest.raises(UserError, match=r'pip install "sacrebleu\[ja\]"'),
    ):
        score(["a"], [["a"]], ["bleu"], tokenizer="ja-mecab")


def test_one_list_of_lines_is_not_taken_for_a_list_of_references() -> None:
    with pytest.raises(TypeError, match="list of references"):
        score(["a", "b"], ["a", "b"])
