"""Explanations of neural translations add up, and can be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.neural.explanation.attention import (
    AttentionExplanation,
    alignment_links,
    merge_attention,
)
from nmt.neural.explanation.words import Word
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.system import NeuralTranslator
from nmt.recipe.neural import SearchSettings
from nmt.search_options import MinimumRisk, Sampling
from nmt.tokenization import TokenizerPair, learn_tokenizers
from nmt.tokenization.settings import SentencePieceSettings
from nmt.translator import Hypothesis
from tests.neural.models import make_model, make_recurrent

TEXT = [
    f"{who} {does} {what}."
    for who in ("The cat", "A small dog", "My brother")
    for does in ("sees", "likes to paint", "remembers")
    for what in ("the river", "an old house", "your bicycle")
]


@pytest.fixture(scope="module")
def tokenizers() -> TokenizerPair:
    settings = SentencePieceSettings(algorithm="bpe", vocabulary_size=330)
    return learn_tokenizers(settings, TEXT, TEXT[::-1], cache=None)


@pytest.fixture(scope="module", params=[make_model, make_recurrent], ids=["transformer", "rnn"])
def model(request: pytest.FixtureRequest, tokenizers: TokenizerPair) -> TranslationModel:
    size = tokenizers.source.vocabulary_size
    make: Callable[..., TranslationModel] = request.param
    return make(sharpness=2.0, source_vocabulary_size=size, target_vocabulary_size=size)


def make_translator(
    model: TranslationModel, tokenizers: TokenizerPair, *, workers: int = 1, **settings: Any
) -> NeuralTranslator:
    return NeuralTranslator(
        model,
        tokenizers,
        SearchSettings(beam=3, max_length_ratio=0.5, max_length_extra=4, **settings),
        source_language="en",
        target_language="de",
        workers=workers,
    )


def explanation_of(hypothesis: Hypothesis) -> AttentionExplanation:
    (explanation,) = hypothesis.explanations
    assert isinstance(explanation, AttentionExplanation)
    return explanation


# --- what translators give


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"nbest": 3},
        {"sampling": Sampling(), "nbest": 2},
        {"minimum_risk": MinimumRisk(candidates=4)},
        {"minimum_risk": MinimumRisk(candidates=4), "sampling": Sampling()},
    ],
    ids=["best", "n-best", "samples", "minimum risk", "minimum risk of samples"],
)
def test_explanations_add_up(
    options: dict[str, Any], model: TranslationModel, tokenizers: TokenizerPair
) -> None:
    translator = make_translator(model, tokenizers, length_penalty=0.0)
    explained = translator.translate(TEXT[:7], explain=True, **options)
    plain = translator.translate(TEXT[:7], **options)
    for line, translation, same in zip(TEXT, explained, plain, strict=False):
        assert len(translation.alternatives) == options.get("nbest", 1)
        assert [one.text for one in translation.alternatives] == [
            one.text for one in same.alternatives
        ]
        for hypothesis in translation.alternatives:
            record = json.loads(json.dumps(explanation_of(hypothesis).to_json()))
            assert record["kind"] == "attention"
            assert "".join(record["source"]) == line.replace(" ", "")
            assert "".join("".join(record["target"]).split()) == "".join(hypothesis.text.split())
            assert len(record["attention"]) == len(record["target"])
            for weights in record["attention"]:
                assert len(weights) == len(record["source"])
                assert sum(weights) == pytest.approx(1.0, abs=0.0005 * len(weights))
            assert len(record["attention_to_end"]) == len(record["target"])
            for source, target in record["links"]:
                assert record["attention"][target][source] == max(record["attention"][target])
            assert sorted(t for _, t in record["links"]) == list(range(len(record["target"])))
            # Without length penalty, the score is the log-probability.
            log_probability = sum(record["log_probability"]) + record["end_log_probability"]
            assert log_probability == pytest.approx(hypothesis.score, abs=1e-4)
            assert record["score"] == pytest.approx(hypothesis.score, abs=1e-6)


def test_nobody_pays_who_does_not_ask(model: TranslationModel, tokenizers: TokenizerPair) -> None:
    (translation,) = make_translator(model, tokenizers).translate(TEXT[0], nbest=2)
    assert all(one.explanations == () for one in translation.alternatives)


def test_each_segment_of_a_long_line_is_explained(
    model: TranslationModel, tokenizers: TokenizerPair
) -> None:
    translator = make_translator(model, tokenizers)
    line = " ".join(TEXT[:9])
    assert translator.count_pieces([line])[0] > translator.max_segment_pieces
    (translation,) = translator.translate(line, explain=True)
    explanations = translation.alternatives[0].explanations
    assert len(explanations) > 1
    sources = [word for one in explanations for word in one.to_json()["source"]]
    assert "".join(sources) == line.replace(" ", "")
    scores = [one.to_json()["score"] for one in explanations]
    assert sum(scores) == pytest.approx(translation.score, abs=1e-5 * len(scores))


def test_workers_and_batches_change_nothing(
    model: TranslationModel, tokenizers: TokenizerPair
) -> None:
    lines = TEXT[:18]  # twice as many hypotheses: more than a worker explains at once
    together, alone = (
        make_translator(model, tokenizers, workers=workers).translate(
            lines, explain=True, nbest=2, batch_tokens=batch_tokens
        )
        for workers, batch_tokens in ((2, 4096), (1, 1))
    )
    for one, other in zip(together, alone, strict=True):
        for mine, yours in zip(one.alternatives, other.alternatives, strict=True):
            a, b = explanation_of(mine), explanation_of(yours)
            assert (a.source, a.target) == (b.source, b.target)
            np.testing.assert_allclose(a.attention_TS, b.attention_TS, atol=1e-5)
            np.testing.assert_allclose(a.log_probability_T, b.log_probability_T, atol=1e-4)


def test_blank_lines_have_nothing_to_explain(
    model: TranslationModel, tokenizers: TokenizerPair
) -> None:
    (translation,) = make_translator(model, tokenizers).translate(["  "], explain=True)
    assert translation.alternatives == (Hypothesis("", 0.0),)


# --- from pieces to words


@st.composite
def words(draw: st.DrawFn, least: int) -> list[Word]:
    lengths = draw(st.lists(st.integers(1, 3), min_size=least, max_size=5))
    ends = np.cumsum(lengths).tolist()
    return [Word("w", end - length, end) for length, end in zip(lengths, ends, strict=True)]


@given(words(least=1), words(least=0), st.integers(0, 2**32 - 1))
def test_attention_of_words_is_that_of_their_pieces(
    source: list[Word], target: list[Word], seed: int
) -> None:
    num_source = source[-1].end
    num_target = target[-1].end if target else 0
    pieces = np.random.default_rng(seed).dirichlet(np.ones(num_source + 1), num_target + 1)
    found, to_end = merge_attention(pieces, source, target)
    assert found.shape == (len(target), len(source))
    for t, word in enumerate(target):
        of_word = pieces[word.begin : word.end]
        assert to_end[t] == pytest.approx(np.mean([row[-1] for row in of_word]))
        for s, asked in enumerate(source):
            weight = np.mean([sum(row[asked.begin : asked.end]) for row in of_word])
            assert found[t, s] == pytest.approx(weight / (1 - to_end[t]))


def test_attention_to_the_end_alone_favours_no_word() -> None:
    pieces = np.array([[0.0, 0.0, 1.0], [0.5, 0.5, 0.0]])
    found, to_end = merge_attention(pieces, [Word("a", 0, 1), Word("b", 1, 2)], [Word("x", 0, 1)])
    assert found.tolist() == [[0.5, 0.5]]
    assert to_end.tolist() == [1.0]


# --- for people


def an_explanation() -> AttentionExplanation:
    return AttentionExplanation(
        source=("the", "cat", "the", "猫"),
        target=("Katze", "好き", "."),
        attention_TS=np.array(
            [[0.08, 0.9, 0.02, 0.0], [0.25, 0.05, 0.5, 0.2], [0.24, 0.26, 0.25, 0.25]]
        ),
        attention_to_end_T=np.array([0.0, 0.125, 0.5]),
        log_probability_T=np.log([0.5, 0.999, 0.25]),
        end_log_probability=float(np.log(0.75)),
        score=-1.25,
    )


def test_an_explanation_can_be_read() -> None:
    assert str(an_explanation()).splitlines() == [
        "the cat the 猫",
        "Katze 好き .",
        "score -1.2500",
        "",
        "word   probability  on end  attention",
        "Katze        50.0%      0%  cat 90%",
        "好き         99.9%     12%  the[2] 50%, the[0] 25%, 猫 20%",
        ".            25.0%     50%  cat 26%, the[2] 25%, 猫 25%",
        "(end)        75.0%",
    ]


def test_links_go_to_the_greatest_weight() -> None:
    assert alignment_links(an_explanation()) == [(1, 0), (1, 2), (2, 1)]


def test_an_empty_translation() -> None:
    explanation = AttentionExplanation(
        ("a",), (), np.zeros((0, 1)), np.zeros(0), np.zeros(0), -0.5, -0.5
    )
    assert alignment_links(explanation) == []
    assert explanation.to_json()["attention"] == []
    assert str(explanation).endswith("(end)        60.7%")
