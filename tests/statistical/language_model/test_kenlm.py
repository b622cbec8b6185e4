"""KenLM (Heafield 2011) reads our files and says the same."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nmt.statistical.language_model.arpa_words import escape
from nmt.statistical.language_model.model import LanguageModel
from nmt.statistical.language_model.tables import EMPTY_STATE, advance
from nmt.statistical.vocabulary import END
from tests.statistical.language_model.examples import GOOD, WORDS, estimate, split

kenlm = pytest.importorskip(
    "kenlm", reason="kenlm is not installed (extra: oracles; it needs a C++ compiler)"
)


class German(NamedTuple):
    """A model of Multi30k's German, written as an ARPA file, as we and KenLM read it again."""

    model: LanguageModel
    peer: Any
    lines: list[list[str]]
    """Those of valid.de and test2016.de."""


@pytest.fixture(scope="module")
def german(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> German:
    texts = shared_data / "multi30k"
    path = tmp_path_factory.mktemp("arpa") / "de.arpa"
    estimate(split(texts / "train.de")).write_arpa(path)
    lines = [*split(texts / "valid.de"), *split(texts / "test2016.de")]
    return German(LanguageModel.read_arpa(path), kenlm.Model(str(path)), lines)


@pytest.mark.parametrize("begins", [True, False])
def test_words_as_in_kenlm(german: German, begins: bool) -> None:
    """log10 p of every word of every sentence, unknown words among them, agrees to 1e-4.

    With the beginning and end of the sentence, and without them, so from the empty state.
    """
    num_unknown = 0
    for line in german.lines:
        theirs = list(german.peer.full_scores(" ".join(line), bos=begins, eos=begins))
        state = german.model.begin_state if begins else EMPTY_STATE
        ids = german.model.vocabulary.encode([line]).words.tolist()
        ours = []
        for word in [*ids, END] if begins else ids:
            log_p, state = advance(german.model.tables, state, word)
            ours.append(log_p / math.log(10))
        np.testing.assert_allclose(ours, [log_p for log_p, _, _ in theirs], rtol=0, atol=1e-4)
        num_unknown += sum(unknown for _, _, unknown in theirs)
    assert num_unknown > 500


def test_sentences_as_in_kenlm(german: German) -> None:
    """log10 p of every sentence agrees to 1e-4, and so does perplexity."""
    encode = german.model.vocabulary.encode
    ours = german.model.score(encode(german.lines)) / math.log(10)
    theirs = [german.peer.score(" ".join(line)) for line in german.lines]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert german.model.perplexity(encode(german.lines[:1])) == pytest.approx(
        german.peer.perplexity(" ".join(german.lines[0])), rel=1e-4
    )


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=12))
def test_any_words(tmp_path: Path, lines: list[list[str]]) -> None:
    """Whatever the words are, KenLM reads what was meant."""
    model = estimate(lines, order=3)
    path = tmp_path / "words.arpa"
    model.write_arpa(path)
    peer = kenlm.Model(str(path))
    for line in lines:
        theirs = peer.score(" ".join(map(escape, line)))
        ours = float(model.score(model.vocabulary.encode([line]))[0]) / math.log(10)
        assert ours == pytest.approx(theirs, abs=1e-4)


def test_without_unknown(tmp_path: Path) -> None:
    """A file without <unk> gives unknown words what KenLM gives them, and is written so."""
    path = tmp_path / "lm.arpa"
    path.write_text(GOOD.replace("-1.0\t<unk>\n", "").replace("1=4", "1=3"), encoding="utf-8")
    model = LanguageModel.read_arpa(path)
    ours = model.score(model.vocabulary.encode([["b", "a"]]))[0] / math.log(10)
    assert ours == pytest.approx(kenlm.Model(str(path)).score("b a"), abs=1e-4)
    model.write_arpa(tmp_path / "again.arpa")
    assert kenlm.Model(str(tmp_path / "again.arpa")).score("b a") == pytest.approx(ours, abs=1e-4)
