"""Placeholders come back verbatim whatever the system does with them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.documents import Content, Document, Segment, translate_document
from nmt.documents.content import Code, Role
from nmt.documents.placeholders import (
    count_placeholders,
    find_placeholders,
    placeholders_as_codes,
    placeholders_as_text,
)
from nmt.errors import UserError
from nmt.glossary import Entry, Glossary
from nmt.guide import Guide
from nmt.translator import Hypothesis, SearchOptions
from tests.documents.systems import Backwards, Identity, Saying, translated
from tests.upper_case import UpperCase

PLACEHOLDERS = [
    "{name}", "{0}", "{}", "{{x}}", "${user}", "%{count}", "%s", "%d", "%1$s", "%(count)d", "%.2f",
    "%1", "$(ARG1)", "$[officename]", "%PRODUCTNAME", "&nbsp;", "https://example.org/a?b=c#d",
    "www.example.org", "someone@example.org", "mailto:a@b.de",
    "{n, plural, one {# file} other {# files}}",
]  # fmt: skip


class Lines(Document):
    """A document of a line each, kept as contents."""

    def __init__(self, *contents: Content, printf: bool = False) -> None:
        self.segments = [Segment(one, n, printf) for n, one in enumerate(contents, start=1)]
        self.result: list[Content | None] = []

    def rebuild(self, translations: Sequence[Content | None]) -> bytes:
        self.result = list(translations)
        return "\n".join(
            "" if one is None else "".join(p if isinstance(p, str) else p.raw for p in one)
            for one in translations
        ).encode("utf-8")


def through(system: UpperCase, *parts: str | Code, printf: bool = False) -> str:
    return translated(Lines(parts, printf=printf), system).data.decode("utf-8")


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
def test_each_is_found_in_a_sentence(placeholder: str) -> None:
    assert find_placeholders(f"See {placeholder}, please.") == [placeholder]


@pytest.mark.parametrize(
    "text", ["100% sure", "50 % der", "5%discount", "a & b; c", "f(x) {", "at home@", "3.5%."]
)
def test_prose_has_none(text: str) -> None:
    assert find_placeholders(text) == []


def test_in_printf_strings_every_per_cent_sign_counts() -> None:
    text = "%-5s|%*d|%% %lu %3$.2f 100%d"
    found = ["%-5s", "%*d", "%%", "%lu", "%3$.2f", "%d"]
    assert find_placeholders(text, printf=True) == found


@given(st.lists(st.sampled_from([*PLACEHOLDERS, "word", " ", ", ", "/", "你", "5", "%"])))
@example(["{a}", "{b}", "x"])
def test_as_codes_and_back(parts: list[str]) -> None:
    text = "".join(parts)
    codes = placeholders_as_codes((text,))
    assert placeholders_as_text(codes) == ((text,) if text else ())
    # All are in codes: what is left has none.
    assert not any(find_placeholders(part) for part in codes if isinstance(part, str))


SENTENCES = st.lists(
    st.tuples(
        st.sampled_from([*PLACEHOLDERS, "word", "Haus", "two words", "<b>", "</b>", "<br>"]),
        st.sampled_from([" ", " ", ", ", ". "]),
    ),
    min_size=1,
    max_size=8,
)


@given(
    parts=SENTENCES,
    system=st.sampled_from(
        [UpperCase(4000), Backwards(4000), Saying("nichts"), Saying(""), Saying("%s {x} {name} 5")]
    ),
)
def test_placeholders_and_tags_come_back_verbatim(
    parts: list[tuple[str, str]], system: UpperCase
) -> None:
    content: list[str | Code] = []
    for text, after in parts:
        if text.startswith("<"):
            role = {"<b>": Role.OPEN, "</b>": Role.CLOSE}.get(text, Role.SINGLE)
            content += [Code(text, role, "b" if role is not Role.SINGLE else "br"), after]
        else:
            content.append(text + after)
    document = Lines(tuple(content))
    outcome = translated(document, system)
    (result,) = document.result
    assert result is not None, outcome
    before, after_ = (
        count_placeholders("".join(p if isinstance(p, str) else "\n" for p in one))
        for one in (content, result)
    )
    assert before == after_
    tags = [sorted(p.raw for p in one if isinstance(p, Code)) for one in (content, result)]
    assert tags[0] == tags[1]


def test_a_system_that_copies_a_placeholder_says_where_it_belongs() -> None:
    assert through(Saying("Du {name} bist es"), "You are {name}") == "Du {name} bist es"


def test_a_placeholder_that_was_changed_is_put_back() -> None:
    assert through(UpperCase(4000), "Hello {name}, you have %d files") == (
        "HELLO {name}, YOU HAVE %d FILES"
    )


class Obedient(UpperCase):
    """Gives back what it is given, and after it what must be there."""

    def search_guided(
        self, segments: Sequence[str], guides: Sequence[Guide], options: SearchOptions
    ) -> list[list[Hypothesis]]:
        """Each segment and its terms."""
        return [
            [Hypothesis(" ".join([segment, *(one[0] for one in guide.must)]), 0.0, 1)]
            for segment, guide in zip(segments, guides, strict=True)
        ]

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        """Without terms."""
        return self.search_guided(segments, [Guide()] * len(segments), options)


def test_terms_of_the_glossary_are_not_those_in_placeholders() -> None:
    glossary = Glossary([Entry("file", ("Datei",), False, 1), Entry("dog", ("Hund",), False, 2)])
    lines = ["Open {file} now", "See https://dog.org/file", "A file %(file)s", "A dog"]
    document = Lines(*((line,) for line in lines))
    outcome = translate_document(document, Obedient(4000), {"glossary": glossary})
    first, second, third, fourth = outcome.data.decode("utf-8").split("\n")
    assert [first, second, fourth] == [lines[0], lines[1], "A dog Hund"]
    assert (third.count("Datei"), third.count("%(file)s")) == (1, 1)


def test_one_that_was_invented_is_taken_out() -> None:
    assert through(Saying("Hallo %s {name}"), "Hello {name}") == "Hallo {name}"


def test_tags_go_where_the_explanation_says() -> None:
    bold = (Code("<b>", Role.OPEN, "b"), "big", Code("</b>", Role.CLOSE, "b"))
    assert through(Backwards(4000), "a ", *bold, " red house") == "house red <b>big</b> a"


def test_tags_go_where_they_were_in_proportion_where_nothing_is_explained() -> None:
    bold = (Code("<b>", Role.OPEN, "b"), "big", Code("</b>", Role.CLOSE, "b"))
    assert through(UpperCase(4000), "a ", *bold, " red house") == "A <b>BIG</b> RED HOUSE"


class Silent(Identity):
    """Refuses to explain itself, as neural systems once did."""

    def search(
        self, segments: Sequence[str], options: SearchOptions, draws: Sequence[int] = ()
    ) -> list[list[Hypothesis]]:
        if options.explain:
            raise UserError("no explanations here")
        return [[Hypothesis(segment.upper(), 0.0)] for segment in segments]


def test_a_system_that_explains_nothing_still_translates() -> None:
    assert through(Silent(4000), "one", Code("<br>"), "two") == "ONE<br>TWO"


def test_sentences_are_translated_one_by_one() -> None:
    system = UpperCase(4000)
    assert through(system, "One is here. Two is there.") == "ONE IS HERE. TWO IS THERE."
    assert [sorted(batch) for batch in system.batches] == [["One is here.", "Two is there."]]


def test_what_has_no_words_never_reaches_the_system() -> None:
    system = UpperCase(4000)
    for text in ["", "  ", "42", "%s: {x}", "http://a.b/c", "…"]:
        assert through(system, text) == text
    assert system.batches == []
