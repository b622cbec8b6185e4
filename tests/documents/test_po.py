"""Message catalogues, with polib and gettext's own msgfmt as oracles."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import polib
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nmt.documents.po import PoDocument
from nmt.documents.po_strings import PLURAL_FORMS, escape, quote, unescape
from nmt.errors import UserError
from tests.documents.systems import Saying, in_capitals, translated
from tests.upper_case import UpperCase

CATALOGUE = r"""# Translators' comment.
#, fuzzy
msgid ""
msgstr ""
"Project-Id-Version: x\n"
"Content-Type: text/plain; charset=UTF-8\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

#. For translators
#: a.c:1 b.c:2
#, c-format
msgid "Hello %s, you have <b>%d</b> new files (100%% sure)\n"
msgstr ""

#, fuzzy, no-wrap
#| msgctxt "menu"
#| msgid "Open a file"
msgctxt "menu"
msgid "Open file"
msgstr "alt"

msgctxt "tab"
msgid "Open file"
msgstr   "Datei "
  "öffnen"

#, python-brace-format
msgid "{n} file of {total}"
msgid_plural "{n} files of {total}"
msgstr[0] ""
msgstr[1] ""

msgid ""
"First line that goes on\n"
"and on.\n"
"\n"
"  --help  \"quoted\"\ttab\n"
msgstr ""

#~ msgid "obsolete"
#~ msgstr "veraltet"
"""


def read(text: str, *, final: bool = False) -> PoDocument:
    return PoDocument(text.encode("utf-8"), "x.po", target_language="de", final=final)


def header(forms: str) -> str:
    return (
        f'msgid ""\nmsgstr "Content-Type: text/plain; charset=UTF-8\\nPlural-Forms: {forms}\\n"\n\n'
    )


def test_untranslated_and_fuzzy_messages_are_translated() -> None:
    found = polib.pofile(in_capitals(read(CATALOGUE)))
    by_message = {(one.msgctxt, one.msgid): one for one in found}
    hello = by_message[None, "Hello %s, you have <b>%d</b> new files (100%% sure)\n"]
    assert hello.msgstr == "HELLO %s, YOU HAVE <b>%d</b> NEW FILES (100%% SURE)\n"
    assert hello.flags == ["fuzzy", "c-format"]
    assert by_message["menu", "Open file"].msgstr == "OPEN FILE"
    assert by_message["tab", "Open file"].msgstr == "Datei öffnen"
    plural = by_message[None, "{n} file of {total}"]
    assert plural.msgstr_plural == {0: "{n} FILE OF {total}", 1: "{n} FILES OF {total}"}
    lines = by_message[None, 'First line that goes on\nand on.\n\n  --help  "quoted"\ttab\n']
    assert lines.msgstr == 'FIRST LINE THAT GOES ON\nAND ON.\n\n  --HELP "QUOTED" TAB\n'


def test_everything_else_stays_byte_for_byte() -> None:
    before = CATALOGUE.split("\n")
    after = in_capitals(read(CATALOGUE)).split("\n")
    changed = {f"#, {flag}": f"#, fuzzy, {flag}" for flag in ("c-format", "python-brace-format")}
    kept = [changed.get(line, line) for line in before]
    gone = {'#| msgctxt "menu"', '#| msgid "Open a file"', 'msgstr ""', 'msgstr "alt"'}
    gone |= {'msgstr[0] ""', 'msgstr[1] ""'}
    remaining = iter(after)
    # All lines but those are there, in their order.
    assert all(any(line == other for other in remaining) for line in kept if line not in gone)
    assert read("\n".join(after)).segments  # what is fuzzy is open still


def test_a_finished_catalogue_comes_back_as_it_is() -> None:
    done = in_capitals(read(CATALOGUE, final=True))
    assert "fuzzy" not in done.split('msgid ""')[1]
    again = read(done)
    assert again.segments == []
    assert again.rebuild([]).decode("utf-8") == done


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_line_ends_and_a_missing_last_one_stay(line_end: str) -> None:
    text = (header("nplurals=1; plural=0;") + 'msgid "a"\nmsgstr ""').replace("\n", line_end)
    result = in_capitals(read(text))
    marked = text.replace(f'{line_end}msgid "a"', f'{line_end}#, fuzzy{line_end}msgid "a"')
    assert result == f'{marked[:-2]}"A"'


@pytest.mark.parametrize(("forms", "expected"), [
    ("nplurals=1; plural=0;", ["%d FILES"]),
    ("nplurals=2; plural=n != 1;", ["%d FILE", "%d FILES"]),
    (PLURAL_FORMS["ru"], ["%d FILE", "%d FILES", "%d FILES"]),
    (PLURAL_FORMS["ar"], ["%d FILES", "%d FILE", *["%d FILES"] * 4]),
])  # fmt: skip
def test_as_many_plural_forms_as_the_language_has(forms: str, expected: list[str]) -> None:
    entry = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    (found,) = polib.pofile(in_capitals(read(header(forms) + entry)))
    assert [found.msgstr_plural[n] for n in range(len(expected))] == expected
    assert len(found.msgstr_plural) == len(expected)


def test_plural_forms_that_a_person_wrote_stay() -> None:
    entry = 'msgid "a file"\nmsgid_plural "%d files"\nmsgstr[0]  "eine "\n  "Datei"\nmsgstr[1] ""\n'
    text = header(PLURAL_FORMS["ru"]) + entry
    (found,) = polib.pofile(in_capitals(read(text)))
    assert found.msgstr_plural == {0: "eine Datei", 1: "%d FILES", 2: "%d FILES"}
    assert 'msgstr[0]  "eine "\n  "Datei"\n' in in_capitals(read(text))
    (found,) = polib.pofile(in_capitals(read(text.replace('msgid "a', '#, fuzzy\nmsgid "a'))))
    assert found.msgstr_plural[0] == "A FILE"


def test_a_template_is_told_which_plural_forms_to_name() -> None:
    entry = 'msgid "%d file"\nmsgid_plural "%d files"\nmsgstr[0] ""\nmsgstr[1] ""\n'
    with pytest.raises(UserError, match="plural forms") as caught:
        read(header("nplurals=INTEGER; plural=EXPRESSION;") + entry)
    assert (caught.value.where, "plural=(n != 1)" in (caught.value.mend or "")) == ("x.po:4", True)


@pytest.mark.parametrize("bad", ['msgid "a\nmsgstr ""', 'msgstr "a"', 'msgid "a"\n', "hello"])
def test_a_broken_catalogue_is_refused_with_the_line(bad: str) -> None:
    with pytest.raises(UserError) as caught:
        read(header("nplurals=1; plural=0;") + bad)
    assert (caught.value.where or "").startswith("x.po:4")


def test_a_placeholder_that_cannot_be_kept_leaves_the_message_alone() -> None:
    text = header("nplurals=1; plural=0;") + '#, c-format\nmsgid "%d files"\nmsgstr ""\n'
    for said in ["nichts", "%s %d %d", "50 % der", ""]:
        data = translated(read(text), Saying(said)).data.decode("utf-8")
        (entry,) = polib.pofile(data)
        assert entry.msgstr.count("%") in (0, 1)
        assert entry.msgstr == "" or "%d" in entry.msgstr


def test_characters_that_the_encoding_lacks_are_told() -> None:
    text = header("nplurals=1; plural=0;").replace("UTF-8", "ISO-8859-1") + 'msgid "a"\nmsgstr ""\n'
    assert in_capitals(read(text)).endswith('msgstr "A"\n')
    with pytest.raises(UserError, match="iso8859-1, has no 'Ж'"):
        translated(read(text), Saying("Ж"))


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example('a\\n"\n\t\r\\x41\\101')
def test_strings_there_and_back(text: str) -> None:
    assert unescape(escape(text)) == text


WORDS = st.text(st.sampled_from('ab äöü你\\"\t%<>&'), max_size=30)


@given(st.lists(st.tuples(WORDS, st.sampled_from([" ", "\n", " \n"])), max_size=12))
def test_another_reader_reads_what_was_written(words: list[tuple[str, str]]) -> None:
    value = "".join(word + space for word, space in words)
    lines = quote("msgstr", value, "\n")
    (entry,) = polib.pofile(f'msgid "x"\n{lines}')
    assert entry.msgstr == value
    assert all(len(line) <= 79 or " " not in line[1:-2] for line in lines.split("\n")[:-1]) or (
        "\\" in lines
    )


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="gettext is not installed")
def test_gettext_finds_nothing_wrong(tmp_path: Path) -> None:
    system = UpperCase(4000)
    (tmp_path / "de.po").write_bytes(translated(read(CATALOGUE, final=True), system).data)
    command = ["msgfmt", "--check-format", "-o", "/dev/null", str(tmp_path / "de.po")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
