"""Places in texts: differences from a reference, and where tokens lie."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nmt.benchmark.report.marks import differences, locate, segments, utf16, words_at

_WORDS = st.lists(
    st.sampled_from(["der", "Die", "straße", "İstanbul", "a-b", ",", "😀", "東京"]), max_size=9
)
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def _unmarked(text: str, spans: list[tuple[int, int]]) -> str:
    return "".join(part for part, marked in segments(text, spans) if not marked)


@given(_TEXTS, _TEXTS, st.booleans())
def test_spans_are_apart_and_in_order(text: str, reference: str, unspaced: bool) -> None:
    found = differences(text, reference, unspaced=unspaced)
    places = [place for span in found.changed for place in span]
    assert places == sorted(places)
    assert all(begin < end <= len(text) for begin, end in found.changed)
    assert all(0 <= place <= len(text) for place in found.missing)


@given(_TEXTS, st.booleans())
def test_a_text_does_not_differ_from_itself(text: str, unspaced: bool) -> None:
    found = differences(text, text, unspaced=unspaced)
    assert found.changed == []
    assert found.missing == []


@given(_WORDS, _WORDS)
def test_what_is_not_marked_is_in_the_reference_in_order(
    words: list[str], others: list[str]
) -> None:
    text, reference = " ".join(words), " ".join(others)
    found = differences(text, reference, unspaced=False)
    left = iter(reference.replace(" ", ""))
    assert all(c in left for c in _unmarked(text, found.changed).replace(" ", ""))


def test_words_that_differ_and_words_left_out() -> None:
    found = differences("Er kauft viel Brot.", "Er kauft heute frisches Brot ein.", unspaced=False)
    assert found.changed == [(9, 13)]
    assert found.missing == [18]  # "ein", before the full stop


def test_without_spaces_characters_are_compared() -> None:
    text = "猫が水を飲む"
    found = differences(text, "犬が水を飲む", unspaced=True)
    assert found.changed == [(0, 1)]
    assert differences(text, "犬が水を飲む", unspaced=False).changed == [(0, len(text))]


@given(_TEXTS, st.data())
def test_segments_make_up_the_text(text: str, data: st.DataObject) -> None:
    places = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    spans = list(zip(places[::2], places[1::2], strict=False))
    assert "".join(part for part, _ in segments(text, spans)) == text
    marked = [part for part, marks in segments(text, spans) if marks]
    assert marked == [text[begin:end] for begin, end in spans]


@given(_WORDS, st.data())
def test_tokens_are_found_where_they_were_cut(words: list[str], data: st.DataObject) -> None:
    """SentencePiece-like pieces, lower-cased, with an end mark, of a text with odd spaces."""
    text = ""
    pieces: list[str] = []
    expected: list[tuple[int, int] | None] = []
    for word in words:
        text += data.draw(st.sampled_from([" ", "  ", "\u00a0"]))
        cut = data.draw(st.integers(0, len(word) - 1))
        for n, part in enumerate(part for part in (word[:cut], word[cut:]) if part):
            pieces.append(("" if n else "▁") + part)
            expected.append((len(text), len(text) + len(part)))
            text += part
    assert locate(pieces, text) == expected


def test_tokens_that_are_not_in_the_text() -> None:
    assert locate(["<s>", "▁Ein", "▁Hut", "</s>"], "ein Hut.") == [None, (0, 3), (4, 7), None]
    assert locate(["well", "@-@", "known"], "well-known") == [(0, 4), (4, 5), (5, 10)]
    assert locate([], "text") == []
    assert locate(["x"], "") == [None]


@given(st.lists(_TEXTS, max_size=6), _TEXTS)
def test_tokens_of_another_text_do_no_harm(tokens: list[str], text: str) -> None:
    places = [place for span in locate(tokens, text) if span for place in span]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)


@given(_TEXTS)
def test_places_as_javascript_counts(text: str) -> None:
    expected = [len(text[:n].encode("utf-16-le")) // 2 for n in range(len(text) + 1)]
    assert utf16(text) == expected


def test_words_are_numbered() -> None:
    assert words_at("ab  c") == [0, 0, 1, 2, 2]
