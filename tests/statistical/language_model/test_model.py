"""Models saved, opened, asked."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from nmt.errors import UserError
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.settings import LanguageModelSettings
from nmt.statistical.language_model.tables import EMPTY_STATE, TableRows, advance
from nmt.statistical.vocabulary import BEGIN, END, FIRST_WORD, UNKNOWN, Vocabulary
from tests.statistical.language_model.reference import KneserNey, random_lines

LINES = random_lines(random.Random(7), 30, 150)
VOCABULARY = Vocabulary.learn(LINES)


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return LanguageModel.estimate(
        VOCABULARY.encode(LINES), VOCABULARY, LanguageModelSettings(order=4)
    )


def test_saved_and_opened(model: LanguageModel, tmp_path: Path) -> None:
    """All comes back; nothing is a pickle; loops are not compiled anew for what was opened."""
    model.save(tmp_path)
    opened = LanguageModel.open(tmp_path)
    assert (opened.order, opened.begin_state) == (model.order, model.begin_state)
    assert opened.vocabulary == model.vocabulary
    for name in ("rows", "tables"):
        for one, other in zip(getattr(model, name), getattr(opened, name), strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.flags.writeable == other.flags.writeable
            assert one.strides == other.strides
    np.testing.assert_array_equal(opened.score(VOCABULARY.encode(LINES)),
                                  model.score(VOCABULARY.encode(LINES)))  # fmt: skip
    model.write_arpa(tmp_path / "model.arpa")
    opened.write_arpa(tmp_path / "opened.arpa")
    assert (tmp_path / "model.arpa").read_bytes() == (tmp_path / "opened.arpa").read_bytes()
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".json", ".txt", ".arpa"}


def test_opened_model_is_not_changed_on_disk(model: LanguageModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    before = (tmp_path / "words.npy").read_bytes()
    LanguageModel.open(tmp_path).rows.words["log_p"] = 1
    assert (tmp_path / "words.npy").read_bytes() == before


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"there is no language_model\.json"):
        LanguageModel.open(tmp_path)


def test_later_format(model: LanguageModel, tmp_path: Path) -> None:
    model.save(tmp_path)
    path = tmp_path / "language_model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format": 2}), encoding="utf-8")
    with pytest.raises(UserError, match="format 2, not 1"):
        LanguageModel.open(tmp_path)


def test_no_text() -> None:
    with pytest.raises(UserError, match="no text"):
        LanguageModel.estimate(VOCABULARY.encode([]), VOCABULARY, LanguageModelSettings())


def test_report() -> None:
    """Says how many n-grams were kept, and the discounts."""
    said: list[str] = []
    LanguageModel.estimate(
        VOCABULARY.encode([["w1", "w2"], ["w1"]]),
        VOCABULARY,
        LanguageModelSettings(order=2, min_count=(1, 2)),
        report=said.append,
    )
    assert said == [
        "language model: 4 1-grams, discounts 0.500 1.000 1.500",
        "language model: 1 of 4 2-grams, discounts 0.500 1.000 1.500",
    ]


def test_score_is_of_whole_sentences(model: LanguageModel) -> None:
    reference = KneserNey(LINES, 4)
    lines = [*LINES[:20], [], ["never", "w1", "never"]]
    scores = model.score(VOCABULARY.encode(lines))
    np.testing.assert_allclose(scores, [reference.score(line) for line in lines], atol=1e-5)
    num_words = sum(map(len, lines)) + len(lines)
    assert model.perplexity(VOCABULARY.encode(lines)) == pytest.approx(
        math.exp(-scores.sum() / num_words)
    )


def test_map_words(model: LanguageModel) -> None:
    """Another vocabulary's ids, those of control symbols and of words not in the text included."""
    other = Vocabulary(["new", *reversed(VOCABULARY.words), "<unk>"])
    mapped = model.map_words(other)
    assert mapped.dtype == np.int32
    assert mapped[[UNKNOWN, BEGIN, END]].tolist() == [UNKNOWN, BEGIN, END]
    assert mapped[[other.id("new"), other.id("<unk>")]].tolist() == [UNKNOWN, UNKNOWN]
    for word in VOCABULARY.words:
        assert mapped[other.id(word)] == VOCABULARY.id(word)
    small = LanguageModel.estimate(VOCABULARY.encode([["w1"]]), VOCABULARY, LanguageModelSettings())
    assert np.flatnonzero(small.map_words(VOCABULARY)).tolist() == [BEGIN, END, VOCABULARY.id("w1")]


def test_states_are_contexts(model: LanguageModel) -> None:
    """Histories that agree in what the model can tell apart share a state; no state is wasted."""
    tables = model.tables
    assert tables.shorter[EMPTY_STATE] == EMPTY_STATE
    lengths = np.searchsorted(model.first_states, np.arange(len(tables.shorter)), side="right") - 1
    assert (lengths[tables.shorter[1:]] < lengths[1:]).all()
    reached = set(tables.next_state[tables.keys != 0]) | set(tables.word_state) | {EMPTY_STATE}
    assert reached == set(range(len(tables.shorter)))
    after_unknown = {advance(tables, state, UNKNOWN)[1] for state in range(len(tables.shorter))}
    assert after_unknown == {EMPTY_STATE}


def test_rows_have_no_gaps() -> None:
    """A query touches one row of each table, of a size that divides a cache line."""
    rows = TableRows.allocate(10, 3, FIRST_WORD)
    assert [array.itemsize for array in rows] == [16, 8, 8]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": (2, 1)}, "let the counts stay or grow"),
        ({"order": 2, "min_count": (1, 1, 1)}, "leave out the last counts"),
        ({"min_count": (0,)}, "greater than 0"),
        ({"order": 7}, "less than or equal to 6"),
        ({"discount_fallback": (0.0, 1, 1)}, "three numbers above zero"),
        ({"discount_fallback": (1.5, 1, 1)}, "three numbers above zero"),
        ({"prune": 1}, "Extra inputs"),
    ],
)
def test_contradictory_settings(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LanguageModelSettings.model_validate(options)
