"""Text put together again after another program cut it into words; sacremoses is the oracle."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacremoses import MosesDetokenizer, MosesTokenizer

from nmt.tokenization import normalize_text
from nmt.tokenization.detokenizing import Cut, Detokenizer
from tests.tokenization.test_round_trip import any_text


def lines_of(path: Path, count: int) -> list[str]:
    return [normalize_text(line) for line in path.read_text(encoding="utf-8").split("\n")[:count]]


def num_different(texts: list[str], others: list[str]) -> int:
    return sum(a != b for a, b in zip(texts, others, strict=True))


def test_fewer_errors_than_moses_on_what_moses_cut(shared_data: Path) -> None:
    ours = theirs = 0
    for path in ("wmt_newstest/newstest2014-deen.en", "wmt_newstest/newstest2014-deen.de",
                 "multi30k/test2016.fr"):  # fmt: skip
        language = path[-2:]
        lines = lines_of(shared_data / path, 500)
        tokenizer, moses = MosesTokenizer(language), MosesDetokenizer(language)
        words = [tokenizer.tokenize(line, aggressive_dash_splits=True) for line in lines]
        text = Detokenizer(language, "moses")
        num_wrong = num_different([text(" ".join(line)) for line in words], lines)
        assert num_wrong < 0.03 * len(lines), path
        ours += num_wrong
        theirs += num_different([moses.detokenize(line) for line in words], lines)
    assert ours < theirs


@pytest.mark.parametrize(
    ("folder", "language", "share"), [("multi30k", "en", 0.01), ("tatoeba_en_fr", "fr", 0.08)]
)
def test_text_whose_every_sign_was_cut_apart(
    folder: str, language: str, share: float, shared_data: Path
) -> None:
    name = "test2016" if folder == "multi30k" else "test"
    lines = lines_of(shared_data / folder / f"{name}.{language}", 1000)
    text = Detokenizer(language, "apart")
    cut = [" ".join(re.findall(r"\w+|[^\w\s]", line)) for line in lines]
    assert num_different([text(line) for line in cut], lines) < share * len(lines)


@pytest.mark.parametrize(
    ("language", "cut", "words", "text"),
    [
        ("en", "moses", "i can 't and do n't , said '' the old man '' .",
         "i can't and don't, said \"the old man\"."),
        ("en", "moses", "`` No '' , it 's ten minutes ' walk -LRB- or so -RRB- .",
         "\"No\", it's ten minutes' walk (or so)."),
        ("en", "moses", "A well-known @-@ if old - trick &amp; R &amp;D &#91; 1 &#93;",
         "A well-known-if old - trick & R &D [1]"),
        ("en", "moses", "the teachers said ' no ' to it", "the teachers said 'no' to it"),
        ("en", "apart", "the Members ' part - session and / or 1999 - 2000 , Mr d ' Estaing 's",
         "the Members' part-session and/or 1999-2000, Mr d'Estaing's"),
        ("en", "apart", "small - and medium - sized ; foot - and - mouth",
         "small- and medium-sized; foot-and-mouth"),
        ("en", "apart", "- that is it .", "- that is it."),
        ("it", "apart", "L ' ordine dell ' uomo e un po ' di un ' altra cosa : c ' è .",
         "L'ordine dell'uomo e un po' di un'altra cosa: c'è."),
        ("it", "apart", "E ' vero che non ' basta ' .", "E' vero che non 'basta'."),
        ("fr", "apart", "Aujourd ' hui , qu ' est - ce que c ' est ?",
         "Aujourd'hui, qu'est-ce que c'est ?"),
        ("ja", "moses", "私 は ３ 時 に 東京 へ 行 く 。", "私は３時に東京へ行く。"),
        ("ja", "moses", "これ は new york で す か ？", "これはnew yorkですか？"),
        ("th", "moses", "ฉัน รัก แมว 2 ตัว", "ฉันรักแมว 2 ตัว"),
    ],
)  # fmt: skip
def test_lines(language: str, cut: Cut, words: str, text: str) -> None:
    assert Detokenizer(language, cut)(words) == text


@given(line=any_text, language=st.sampled_from(["en", "it", "fr", "ja", "th"]))
def test_any_line_stays_a_line_and_keeps_its_words(line: str, language: str) -> None:
    for cut in ("moses", "apart"):
        text = Detokenizer(language, cut)(line)
        assert len(text.splitlines()) <= 1
        if "&" not in line and not re.search(r"``|''|@.@|-[lr][rsc]b-", line, re.IGNORECASE):
            normal = normalize_text(line)
            assert normalize_text(text.replace(" ", "")) == normalize_text(normal.replace(" ", ""))


def test_a_line_of_apostrophes_takes_no_time() -> None:
    assert len(Detokenizer("en", "apart")("s ' " * 50_000)) > 50_000
