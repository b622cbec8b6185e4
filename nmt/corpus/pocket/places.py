"""Where, where to, where from: the prepositions that each kind of place asks for."""

from __future__ import annotations

from typing import Final

from nmt.corpus.pocket.phrases import Gap, Name, Nominal, NounPhrase, prepositional

# Class of noun: English where, to, from; German where (dative), to (with its case), from (dative).
_PREPOSITIONS: Final = {
    "room": ("in", "into", "out of", "in", "in", "acc", "aus"),
    "yard": ("in", "into", "out of", "in", "in", "acc", "aus"),
    "town": ("in", "to", "from", "in", "in", "acc", "aus"),
    "country": ("in", "to", "from", "in", "in", "acc", "aus"),
    "building": ("in", "into", "out of", "in", "in", "acc", "aus"),
    "pool": ("in", "to", "from", "in", "in", "acc", "aus"),
    "venue": ("at", "to", "from", "in", "in", "acc", "aus"),
    "campus": ("at", "to", "from", "an", "zu", "dat", "von"),
    "office": ("at", "to", "from", "bei", "zu", "dat", "von"),
    "bank": ("at", "to", "from", "bei", "zu", "dat", "von"),
    "stop": ("at", "to", "from", "an", "zu", "dat", "von"),
    "market": ("at", "to", "from", "auf", "auf", "acc", "von"),
    "top": ("on", "to", "from", "auf", "auf", "acc", "von"),
    "plaza": ("in", "to", "from", "auf", "auf", "acc", "von"),
    "street": ("in", "into", "from", "auf", "auf", "acc", "von"),
    "crossing": ("on", "to", "from", "auf", "auf", "acc", "von"),
    "terrace": ("on", "to", "from", "auf", "auf", "acc", "von"),
    "shore": ("at", "to", "from", "an", "an", "acc", "von"),
    "riverbank": ("on", "to", "from", "an", "an", "acc", "von"),
    "prison": ("in", "to", "from", "in", "in", "acc", "aus"),
    "tent": ("in", "into", "out of", "in", "in", "acc", "aus"),
    "feast": ("at", "to", "from", "auf", "auf", "acc", "von"),
    "transit": ("on", "onto", "from", "in", "in", "acc", "aus"),
}  # fmt: skip
_EXCEPTIONS: Final = {
    "Tankstelle": "stop", "Straße": "street", "Turnhalle": "venue", "Strand": "beach",
    "Fluss": "river", "Parkplatz": "plaza", "Insel": "top", "Park": "parkland", "Garten": "room",
    "Zoo": "zoo", "Wiese": "field", "Feld": "field", "Wald": "room", "Polizeiwache": "watch",
    "Weg": "path",
}  # fmt: skip
_MORE: Final = {
    "beach": ("on", "to", "from", "an", "an", "acc", "von"),
    "river": ("by", "to", "from", "an", "an", "acc", "von"),
    "path": ("on", "onto", "from", "auf", "auf", "acc", "von"),
    "parkland": ("in", "to", "from", "in", "in", "acc", "aus"),
    "watch": ("at", "to", "from", "auf", "zu", "dat", "von"),
    "field": ("in", "to", "from", "auf", "auf", "acc", "von"),
    "zoo": ("at", "to", "from", "in", "in", "acc", "aus"),
}


def kind_of_place(nominal: Nominal) -> tuple[str, str, str, str, str, str, str]:
    """The prepositions of a place."""
    if isinstance(nominal, NounPhrase):
        if nominal.noun.german_singular in _EXCEPTIONS:
            name = _EXCEPTIONS[nominal.noun.german_singular]
            return _MORE.get(name) or _PREPOSITIONS[name]
        for name, prepositions in _PREPOSITIONS.items():
            if name in nominal.noun.classes:
                return prepositions
        raise ValueError(f"no place: {nominal.noun.german_singular}")
    # Germany, Berlin; countries with an article are places "in die".
    with_article = isinstance(nominal, Name) and nominal.german_text.startswith("die ")
    return ("in", "to", "from", "in", "in" if with_article else "nach", "acc", "aus")


def place_english(mark: str, nominal: Nominal) -> str:
    """A place in English: where (@), where to (>), where from (<); empty for a gap."""
    if isinstance(nominal, Gap):
        return ""
    return f"{kind_of_place(nominal)['@><'.index(mark)]} {nominal.english()}"


def german_preposition(mark: str, nominal: Nominal) -> tuple[str, str]:
    """The German preposition for a place, and its case."""
    _, _, _, where, to, case, source = kind_of_place(nominal)
    return {"@": (where, "dat"), ">": (to, case), "<": (source, "dat")}[mark]


def place_german(mark: str, nominal: Nominal) -> tuple[str, str]:
    """A place in German, and its relative clause."""
    preposition, case = german_preposition(mark, nominal)
    if isinstance(nominal, Name) and nominal.german_text.startswith("die ") and case == "dat":
        return f"{preposition} der {nominal.german_text[4:]}", ""
    return prepositional(preposition, case, nominal)
