"""The bytes of text that each piece of a vocabulary stands for."""

from __future__ import annotations

import re
from typing import Final

from nmt.errors import UserError
from nmt.tokenization.huggingface import HuggingFaceTokenizer
from nmt.tokenization.protocol import NUM_CONTROL_IDS, Tokenizer

_SPACE_MARK: Final = "\u2581"
_BYTE: Final = re.compile("<0x([0-9A-F]{2})>")


def piece_bytes(tokenizer: Tokenizer) -> list[bytes]:
    """What each piece adds to a text, in UTF-8; the space before a word is part of its first piece.

    Control symbols add nothing. A piece may be a part of a character.

    Raises UserError for a tokenizer of words, which are not written as they are pieced together.
    """
    if isinstance(tokenizer, HuggingFaceTokenizer):
        return tokenizer.piece_bytes
    pieces = getattr(tokenizer, "vocabulary", None)
    if not isinstance(pieces, list):
        raise UserError("this tokenizer does not say how its pieces are written")
    return [
        b"" if number < NUM_CONTROL_IDS else _bytes_of(piece) for number, piece in enumerate(pieces)
    ]


def _bytes_of(piece: str) -> bytes:
    if byte := _BYTE.fullmatch(piece):
        return bytes([int(byte[1], 16)])
    return piece.replace(_SPACE_MARK, " ").encode("utf-8")
