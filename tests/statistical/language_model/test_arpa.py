"""ARPA files: written and read again, of others, broken."""

from __future__ import annotations

import gzip
import itertools
import math
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nmt.errors import UserError
from nmt.statistical.language_model.arpa_words import escape, unescape
from nmt.statistical.language_model.model import LanguageModel
from tests.statistical.language_model.examples import GOOD, ORDINARY, WORDS, estimate
from tests.statistical.language_model.reference import random_lines

Ngram = tuple[str, ...]


def assert_same(model: LanguageModel, other: LanguageModel) -> None:
    """Two models are equal but for the numbers of words and states."""
    assert model.order == other.order
    np.testing.assert_array_equal(np.diff(model.first_states), np.diff(other.first_states))
    for one, two in (
        (model.tables.log_p, other.tables.log_p),
        (model.tables.back_off, other.tables.back_off),
        (model.tables.word_log_p[model.known], other.tables.word_log_p[other.known]),
    ):
        np.testing.assert_array_equal(np.sort(one), np.sort(two))


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_read_again(order: int, name: str, tmp_path: Path) -> None:
    """A file that is read and written again is the same, whatever wrote the model."""
    lines = random_lines(random.Random(order), 40, 200)
    model = estimate(lines, order=order)
    path, again = tmp_path / name, tmp_path / f"again.{name}"
    model.write_arpa(path)
    read = LanguageModel.read_arpa(path)
    assert_same(model, read)
    read.write_arpa(again)
    assert again.read_bytes() == path.read_bytes()
    assert path.read_bytes().startswith(b"\x1f\x8b") == name.endswith(".gz")


@given(WORDS)
@example("\\u005cu005c")
def test_escape(word: str) -> None:
    """Every word comes back, and nothing written divides fields or is a symbol."""
    written = escape(word)
    assert unescape(written) == word
    assert written.encode().split(maxsplit=1) == [written.encode()]
    assert written not in ("<s>", "</s>", "<unk>", "<UNK>")
    assert len(written) == len(word) or "\\u00" in written


@given(ORDINARY)
def test_words_of_others_stay(word: str) -> None:
    """What cannot have been escaped is left as it is: two forms never become one word."""
    assert escape(unescape(word)) == word or unescape(word) == word


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(WORDS, max_size=6), min_size=1, max_size=12))
def test_any_words(tmp_path: Path, lines: list[list[str]]) -> None:
    """Whatever the words are, the file says what was meant."""
    model = estimate(lines, order=3)
    path = tmp_path / "words.arpa"
    model.write_arpa(path)
    read = LanguageModel.read_arpa(path)
    assert_same(model, read)
    assert sorted(read.vocabulary.words) == sorted(model.vocabulary.words)
    np.testing.assert_array_equal(
        read.score(read.vocabulary.encode(lines)), model.score(model.vocabulary.encode(lines))
    )


@st.composite
def pruned_models(draw: st.DrawFn) -> dict[Ngram, tuple[float, float]]:
    """Any n-grams with any log10 p and back-offs, those inside them missing more often than not."""
    numbers = st.floats(-5, 0).map(lambda x: round(x, 3))
    forms = ["<unk>", "<s>", "</s>", "a", "b", "c"]
    model: dict[Ngram, tuple[float, float]] = {
        (word,): (draw(numbers), draw(numbers)) for word in forms
    }
    inner = st.sampled_from(["a", "b", "c", "<unk>"])
    ngrams = st.tuples(
        st.sampled_from(["<s>", "a", "b", "c"]),
        st.lists(inner, max_size=2),
        st.sampled_from(["</s>", "a", "b", "c", "<unk>"]),
    )
    for first, middle, last in draw(st.lists(ngrams, max_size=12)):
        model[first, *middle, last] = (draw(numbers), draw(numbers | st.just(0.0)))
    return model


def write_by_hand(path: Path, model: dict[Ngram, tuple[float, float]]) -> None:
    """An ARPA file of exactly these n-grams, not sorted."""
    order = max(map(len, model))
    text = "made by hand\n\n\\data\\\n"
    by_length = [[g for g in model if len(g) == n] for n in range(1, order + 1)]
    text += "".join(f"ngram {n}={len(grams)}\n" for n, grams in enumerate(by_length, 1))
    for length, grams in enumerate(by_length, 1):
        text += f"\n\\{length}-grams:\n"
        for gram in reversed(grams):
            back_off = f"\t{model[gram][1]}" if length < order else ""
            text += f"{model[gram][0]}\t{' '.join(gram)}{back_off}\n"
    path.write_text(text + "\n\\end\\\n", encoding="utf-8")


def back_off(model: dict[Ngram, tuple[float, float]], context: Ngram, word: str) -> float:
    """log10 p(word | context), by the definition of ARPA files."""
    if (*context, word) in model:
        return model[*context, word][0]
    return model.get(context, (0.0, 0.0))[1] + back_off(model, context[1:], word)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pruned_models(), st.lists(st.sampled_from(["a", "b", "c", "new"]), max_size=8))
def test_pruned_files(
    tmp_path: Path, model: dict[Ngram, tuple[float, float]], line: list[str]
) -> None:
    """N-grams of which no part is in the file count as the format says."""
    path = tmp_path / "pruned.arpa"
    write_by_hand(path, model)
    read = LanguageModel.read_arpa(path)
    order = max(map(len, model))
    history: Ngram = ("<s>",)
    expected = 0.0
    for word in [*(w if w != "new" else "<unk>" for w in line), "</s>"]:
        context = history[-(order - 1) :] if order > 1 else ()
        # The back-off weights of the longest n-grams do not stand in the file.
        expected += back_off(model, context, word)
        history += (word,)
    found = read.score(read.vocabulary.encode([line]))[0] / math.log(10)
    assert found == pytest.approx(expected, abs=1e-4)
    again = tmp_path / "again.arpa"
    read.write_arpa(again)
    rewritten = LanguageModel.read_arpa(again)
    assert rewritten.score(rewritten.vocabulary.encode([line]))[0] / math.log(10) == pytest.approx(
        expected, abs=1e-4
    )


def test_white_space_of_others(tmp_path: Path) -> None:
    """Spaces for tabs, carriage returns, a missing last line feed: read as KenLM would."""
    path = tmp_path / "lm.arpa"
    path.write_text(GOOD.replace("\t", " "), encoding="utf-8")
    model = LanguageModel.read_arpa(path)
    assert model.score(model.vocabulary.encode([["a"], ["b"]])) / math.log(10) == pytest.approx(
        [-0.3, -0.3 - 1.0 - 0.5]
    )
    path.write_bytes(GOOD.replace("\n", "\r\n").rstrip().encode())
    assert_same(LanguageModel.read_arpa(path), model)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("\\data\\", "data", None, r"there is no line \\data\\"),
        ("ngram 1=4", "ngram 2=4", 2, "ngram 1=... is missing"),
        ("ngram 2=2", "ngram 2=two", 3, "ngram 2=... is missing"),
        ("ngram 1=4", "ngram 1=5", 10, "row 5 of 5 1-grams"),
        ("ngram 1=4", "ngram 1=3", 9, r"\\2-grams: is missing here: '-1.0"),
        ("\\2-grams:", "\\3-grams:", 11, r"\\2-grams: is missing"),
        ("-0.5\ta", "half\ta", 8, "not a number"),
        ("-0.5\ta\t-0.2", "-0.5\ta\tx", 8, "not a number"),
        ("-0.5\ta\t-0.2", "-0.5\ta b c", 8, "row 3 of 4 1-grams"),
        ("-0.5\ta\t-0.2", "0.5\ta\t-0.2", 8, "log10 p must be a number up to 0"),
        ("-0.5\ta\t-0.2", "nan\ta\t-0.2", 8, "log10 p must be"),
        ("-0.5\ta\t-0.2", "-0.5\ta\tinf", 8, "log10 p must be"),
        ("-1.0\t<unk>", "-1.0\ta", 9, "there before"),
        ("-0.2\ta </s>", "-0.2\tb </s>", 13, "'b' is not among the unigrams"),
        ("-0.2\ta </s>", "-0.2\t<s> a", 13, "this 2-gram was there before"),
        ("-0.2\ta </s>", "-0.2\ta", 13, "row 2 of 2 2-grams"),
        ("\n\\end\\\n", "", 14, r"\\end\\ is missing here, but the line is blank or the file ends"),
        ("-0.5\t</s>", "-0.5\tend", None, "</s> is not among the unigrams"),
        ("\nngram 2=2", "".join(f"\nngram {n}=1" for n in range(2, 8)), 9, "up to 7 words"),
    ],
)
def test_broken_files(tmp_path: Path, old: str, new: str, line: int | None, message: str) -> None:
    """What is wrong is told with the line, and how to mend it."""
    path = tmp_path / "broken.arpa"
    assert old in GOOD
    path.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=message) as raised:
        LanguageModel.read_arpa(path)
    assert raised.value.where == (f"{path}:{line}" if line else str(path))
    assert raised.value.mend


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cut_off_files(tmp_path: Path, data: st.DataObject) -> None:
    """A file cut off anywhere, plain or compressed, is an error of the user's."""
    text = GOOD.rstrip().encode()
    path = tmp_path / "cut.arpa"
    packed = gzip.compress(text, mtime=0) if data.draw(st.booleans()) else text
    path.write_bytes(packed[: data.draw(st.integers(0, len(packed) - 1))])
    with pytest.raises(UserError):
        LanguageModel.read_arpa(path)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no\.arpa|No such file|not there|no such"):
        LanguageModel.read_arpa(tmp_path / "no.arpa")


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.arpa"
    path.write_bytes(GOOD.replace("\ta", "\tä").encode("latin-1"))
    with pytest.raises(UserError, match="not valid UTF-8") as raised:
        LanguageModel.read_arpa(path)
    assert raised.value.where == f"{path}:8"


def test_full_disk(small_disk: Path) -> None:
    """A file that cannot be written whole is not written at all."""
    path = small_disk / "lm.arpa"
    lines = [[f"w{a}", f"w{b}"] for a, b in itertools.product(range(150), repeat=2)]
    with pytest.raises(UserError, match="No space left"):
        estimate(lines, order=3).write_arpa(path)
    assert not list(small_disk.iterdir())
