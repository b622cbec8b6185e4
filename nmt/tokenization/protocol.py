"""What every tokenizer can do, and the numbers that mean the same in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

PAD_ID: Final = 0
"""Fills up the shorter rows of a batch."""
BOS_ID: Final = 1
"""Begins a sentence."""
EOS_ID: Final = 2
"""Ends a sentence."""
UNK_ID: Final = 3
"""Reserved for "unknown"; no tokenizer here ever gives it out, and decoding drops it."""
NUM_CONTROL_IDS: Final = 4
"""Ids below this one are control symbols; ids from here on are text."""


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back, without loss: ``decode(encode(x)) == normalize(x)`` for every text.

    The only strings excluded are those that are not text: lone surrogates (which no UTF-8 file can
    hold) raise UnicodeEncodeError. No text, whatever it looks like, becomes a control id.
    """

    @property
    def vocabulary_size(self) -> int:
        """Number of ids; every id is below it."""
        ...

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) over everything that determines the output of this tokenizer."""
        ...

    def normalize(self, text: str) -> str:
        """The text that ``encode`` preserves; see ``nmt.tokenization.text.normalize_text``."""
        ...

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """Ids of each line, without begin and end of sentence; a blank line has none."""
        ...

    def encode_sampled(self, lines: Sequence[str], *, rate: float, seed: int) -> list[list[int]]:
        """Ids of each line in a randomly drawn segmentation, for subword regularisation.

        A pure function of its arguments, in any process, thread and batch: the line at position i
        is drawn by ``(seed, i)``. A rate of 0 gives ``encode(lines)``. Decoding gives back the
        same text as without sampling.
        """
        ...

    def decode(self, rows: Sequence[Sequence[int]]) -> list[str]:
        """The text of each row: normalised, of one line, and without control symbols.

        Takes any ids below ``vocabulary_size``, also rows that ``encode`` would never give; bytes
        that are not UTF-8 become U+FFFD.
        """
        ...

    def pieces(self, line: str) -> list[str]:
        """The pieces of a line, for people to look at."""
        ...

    def save(self, folder: Path) -> None:
        """Write ``tokenizer.json`` and the files that it names into ``folder``, atomically."""
        ...
