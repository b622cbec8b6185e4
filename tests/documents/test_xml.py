"""XLIFF and TMX, with lxml as an oracle; XML that is broken or hostile."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from nmt.documents.tmx import TmxDocument
from nmt.documents.xliff import XliffDocument
from nmt.documents.xml_scan import escape, read_xml, tokens, unescape
from nmt.errors import UserError
from tests.documents.systems import Backwards, Saying, in_capitals, translated
from tests.upper_case import UpperCase

XLIFF_12 = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE xliff PUBLIC "-//XLIFF//DTD XLIFF//EN" "http://localhost/xliff.dtd">
<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
 <file original='a' source-language="en" datatype="plaintext"><body>
  <group translate="no"><trans-unit id="0"><source>keep</source></trans-unit></group>
  <trans-unit id="1" >
   <source>Press <g id="1">the big</g> button<x id="2"/> &amp; wait.</source>
   <note>a note</note>
  </trans-unit>
  <trans-unit id="2"><source>empty</source><target/></trans-unit>
  <trans-unit id="3"><source>new</source><target state="new"></target></trans-unit>
  <trans-unit id="4"><source>done</source><target>fertig</target></trans-unit>
  <trans-unit id="5" approved="yes"><source>approved</source></trans-unit>
  <trans-unit id="6"><source>A <bpt id="1">&lt;b></bpt>bold<ept id="1">&lt;/b></ept>
     <![CDATA[<x>]]> <mrk mtype="protected">Keep</mrk> {name}</source><!-- c -->
   <alt-trans><source>alt</source><target>alt</target></alt-trans></trans-unit>
 </body></file>
</xliff>
"""
XLIFF_20 = """<x:xliff xmlns:x="urn:oasis:names:tc:xliff:document:2.0" version="2.0" srcLang="en">
 <x:file id="f1"><x:unit id="1">
  <x:segment state="initial"><x:source>Hello <x:pc id="1">big</x:pc> world</x:source></x:segment>
  <x:ignorable><x:source> </x:source></x:ignorable>
  <x:segment><x:source>Two <x:sc id="2"/>and<x:ec startRef="2"/>.</x:source><x:target></x:target>
  </x:segment></x:unit>
  <x:unit id="2" translate="no"><x:segment><x:source>keep</x:source></x:segment></x:unit>
 </x:file></x:xliff>
"""
TMX = """<?xml version="1.0"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
 <tu>
  <tuv xml:lang="en-US">
   <prop type="x">y</prop>
   <seg>One <bpt i="1">{</bpt>two<ept i="1">}</ept> &lt;three&gt;.</seg>
  </tuv>
 </tu>
 <tu><tuv xml:lang="EN"><seg>done</seg></tuv><tuv xml:lang="de-AT"><seg>fertig</seg></tuv></tu>
 <tu><tuv xml:lang="EN"><seg>empty</seg></tuv><tuv xml:lang="de-DE"><seg/></tuv></tu>
 <tu><tuv xml:lang="fr"><seg>autre</seg></tuv></tu>
</body></tmx>
"""
NAMESPACES = {
    "a": "urn:oasis:names:tc:xliff:document:1.2",
    "b": "urn:oasis:names:tc:xliff:document:2.0",
}


def xliff(text: str | bytes, *, final: bool = False) -> XliffDocument:
    data = text.encode("utf-8") if isinstance(text, str) else text
    return XliffDocument(data, "x.xlf", source_language="en", target_language="de", final=final)


def tmx(text: str) -> TmxDocument:
    return TmxDocument(text.encode(), "x.tmx", source_language="en", target_language="de")


def tree(text: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    return etree.fromstring(text.encode("utf-8"), parser)


def without_new(text: str, *targets: str) -> str:
    for target in targets:
        assert target in text
        text = text.replace(target, "", 1)
    return text


def test_xliff_12_gets_targets_and_nothing_else() -> None:
    result = in_capitals(xliff(XLIFF_12))
    state = 'state="needs-review-translation"'
    first = f"""
   <target {state}>PRESS <g id="1">THE BIG</g> BUTTON<x id="2"/> &amp; WAIT.</target>"""
    last = (
        f'<target {state}>A <bpt id="1">&lt;b></bpt>BOLD<ept id="1">&lt;/b></ept> &lt;x&gt; '
        '<mrk mtype="protected">Keep</mrk> {name}</target>'
    )
    expected = XLIFF_12.replace("<target/>", f"<target {state}>EMPTY</target>")
    expected = expected.replace('<target state="new"></target>', f"<target {state}>NEW</target>")
    found = without_new(result, first, last, ' target-language="de"')
    assert found == expected


def test_html_within_the_text_is_tags() -> None:
    for text in [
        'One &lt;a href="x y"&gt;two&lt;/a&gt; &lt; three', "<![CDATA[One <b>two</b>]]> &lt; 3",
        "One <g>two &lt;b>three</g> four&lt;/b>", "One&lt;br/&gt;two &lt;/i> &lt;i>",
    ]:  # fmt: skip
        unit = f'<trans-unit id="1"><source>{text}</source></trans-unit>'
        page = f"{XLIFF_12[: XLIFF_12.index('  <group')]}{unit}</body></file></xliff>"
        for system in (UpperCase(4000), Backwards(4000), Saying("eins zwei drei")):
            root = tree(translated(xliff(page), system).data.decode("utf-8"))
            source, target = root[0][0][0]
            tags = [sorted(re.findall("<[/a-z][^>]*>", "".join(map(str, one.itertext()))))
                    for one in (source, target)]  # fmt: skip
            assert tags[0] == tags[1] != []


def test_xliff_20_gets_targets_and_states() -> None:
    result = in_capitals(xliff(XLIFF_20))
    new = '<x:target>HELLO <x:pc id="1">BIG</x:pc> WORLD</x:target>'
    found = without_new(
        result, new, 'TWO <x:sc id="2"/>AND<x:ec startRef="2"/>.', ' trgLang="de"',
    )  # fmt: skip
    assert found == XLIFF_20.replace('state="initial"', 'state="translated"').replace(
        "<x:segment><x:source>Two", '<x:segment state="translated"><x:source>Two'
    )


def test_final_is_said_where_asked_for() -> None:
    assert in_capitals(xliff(XLIFF_12, final=True)).count('state="final"') == 4
    assert in_capitals(xliff(XLIFF_20, final=True)).count('state="final"') == 2


def test_what_is_translated_is_not_translated_again() -> None:
    for text in (XLIFF_12, XLIFF_20):
        done = in_capitals(xliff(text))
        again = xliff(done)
        assert not again.segments
        assert again.rebuild([]).decode("utf-8") == done


def test_other_xml_is_refused() -> None:
    for text in ("<a/>", '<xliff version="3.0"/>'):
        with pytest.raises(UserError, match="XLIFF"):
            xliff(text)


@pytest.mark.parametrize(
    ("text", "attribute", "line"),
    [
        (XLIFF_12.replace('"en"', '"fr-FR"'), "source-language is 'fr-FR'", 4),
        (XLIFF_12.replace("original", 'target-language="es" original'), "target-language", 4),
        (XLIFF_20.replace('"en"', '"fr"'), "srcLang is 'fr'", 1),
        (XLIFF_20.replace("srcLang", 'trgLang="es" srcLang'), "trgLang is 'es'", 1),
    ],
)
def test_a_file_of_other_languages_is_refused(text: str, attribute: str, line: int) -> None:
    with pytest.raises(UserError, match=attribute) as caught:
        xliff(text)
    assert caught.value.where == f"x.xlf:{line}"
    regions = XLIFF_12.replace('"en"', '"eng-US" target-language="DE_at"')
    assert in_capitals(xliff(regions)).count("<target") == 6


def test_tmx_gets_the_missing_variants() -> None:
    new = """
  <tuv xml:lang="de" creationtool="nmt">
   <seg>ONE <bpt i="1">{</bpt>TWO<ept i="1">}</ept> &lt;three&gt;.</seg>
  </tuv>"""
    found = without_new(in_capitals(tmx(TMX)), new)
    assert found == TMX.replace("<seg/>", "<seg>EMPTY</seg>")


def test_tmx_without_the_source_language_names_those_that_it_has() -> None:
    with pytest.raises(UserError, match="its languages: de-AT, fr"):
        tmx(TMX.replace("en-US", "fr").replace("EN", "fr").replace("de-DE", "fr"))


def test_targets_are_what_another_reader_reads() -> None:
    said = "a < b & c > d ]]> \"q\" 'r'"
    done = translated(xliff(XLIFF_12), Saying(said)).data.decode("utf-8")
    units = tree(done).findall(".//a:trans-unit", NAMESPACES)
    targets = [unit.find("a:target", NAMESPACES) for unit in units]
    texts = ["".join(map(str, one.itertext())) for one in targets if one is not None]
    assert texts.count(said) == 3
    assert len(tree(done).findall(".//a:source", NAMESPACES)) == XLIFF_12.count("<source>")


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "UTF-16", "windows-1252"])
def test_other_encodings_stay(encoding: str) -> None:
    text = XLIFF_12.replace("UTF-8", encoding).replace("a note", "Größe")
    data = text.encode(encoding)
    document = xliff(data)
    assert document.rebuild([None] * len(document.segments)) == data
    done = translated(document, Saying("Ж ß")).data
    root = etree.fromstring(done)
    (second,) = root.findall(".//a:trans-unit[@id='2']/a:target", NAMESPACES)
    assert second.text == "Ж ß"


def test_broken_xml_is_refused_with_the_line() -> None:
    # An external document type might declare entities, so without it.
    text = XLIFF_12.replace(XLIFF_12.split("\n")[1], "")
    for old, new, line in [("</note>", "", 9), ('id="3"', 'id="3" id="4"', 11), ("amp;", "x;", 7)]:
        with pytest.raises(UserError, match="not well-formed XML") as caught:
            xliff(text.replace(old, new))
        assert caught.value.where == f"x.xlf:{line}"


def test_a_change_of_encoding_is_refused_with_the_line() -> None:
    data = XLIFF_12.encode().replace(b"a note", "Größe".encode("latin-1"))
    with pytest.raises(UserError, match="not valid utf-8") as caught:
        xliff(data)
    assert caught.value.where == "x.xlf:8"


LAUGHS = '<!DOCTYPE xliff [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE xliff [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
PARAMETER = '<!DOCTYPE xliff [<!ENTITY % x SYSTEM "http://localhost/x.dtd"> %x;]>'


@pytest.mark.parametrize("doctype", [LAUGHS, EXTERNAL, PARAMETER])
def test_entities_are_refused_before_they_are_looked_at(doctype: str) -> None:
    text = f'{doctype}\n<xliff version="1.2"><file><body><trans-unit id="1"><source>x</source>'
    text += "</trans-unit></body></file></xliff>"
    with pytest.raises(UserError, match="declares entities of its own") as caught:
        xliff(text)
    assert caught.value.where == "x.xlf:1"


@given(st.text())
def test_text_there_and_back(text: str) -> None:
    written = escape(text)
    (said,) = tree(f"<a>{written}</a>").itertext() if written else ("",)
    # XML reads every line end as a line feed.
    assert unescape(written).replace("\r\n", "\n").replace("\r", "\n") == said


XML = st.recursive(
    st.sampled_from(["text", "&amp;", "<!-- <a> -->", "<![CDATA[<b>]]>", "<?x <y>?>", "&#65;"]),
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda parts: f"""<a b='">/'>{"".join(parts)}</a >""")
        | st.just('<e c="/>" />')
    ),
    max_leaves=12,
)


@given(XML)
def test_tokens_are_those_of_the_parser(inner: str) -> None:
    text, _ = read_xml(f"<r>{inner}</r>".encode(), "x")
    found = list(tokens(text))
    assert "".join(text[one.begin : one.end] for one in found) == text
    tags = [one.name for one in found if one.kind.name in ("START", "EMPTY")]
    assert tags == [one.tag for one in tree(text).iter() if isinstance(one.tag, str)]
