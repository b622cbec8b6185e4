"""Writing a language model as an ARPA file."""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from nmt.files import replacing_file
from nmt.statistical.language_model.arpa_words import SYMBOLS, escape
from nmt.statistical.language_model.tables import EMPTY_STATE, TableRows
from nmt.statistical.vocabulary import FIRST_WORD, Vocabulary

_CHUNK: Final = 1 << 16
"""Lines that are written at once."""
_LN_10: Final = math.log(10)


def write_arpa(
    path: Path,
    rows: TableRows,
    vocabulary: Vocabulary,
    known: NDArray[np.bool_],
    first_states: NDArray[np.int64],
) -> None:
    """Write all n-grams, compressed if the name ends in ``.gz``; see ``model.py`` for arguments.

    Nine digits are written, from which the same 32-bit floats are read again. Raises UserError if
    the file cannot be written.
    """
    names = {number: symbol for symbol, number in reversed(SYMBOLS.items())}
    forms = [names[n] for n in range(FIRST_WORD)] + [escape(word) for word in vocabulary.words]
    with replacing_file(path) as temporary, temporary.open("wb") as raw:
        file = gzip.GzipFile("", "wb", 6, raw, mtime=0) if path.suffix == ".gz" else raw
        for text in _parts(rows, forms, np.flatnonzero(known), first_states):
            file.write(text.encode("utf-8"))
        if file is not raw:
            file.close()


def _parts(
    rows: TableRows,
    forms: list[str],
    unigrams: NDArray[np.int64],
    first_states: NDArray[np.int64],
) -> Iterator[str]:
    """The text of the file, in parts."""
    order = len(first_states) - 1
    used = rows.slots[rows.slots["key"] != 0]
    # By length of the context, then by context, then by word: states are numbered so.
    used = used[np.argsort(used["key"])]
    contexts = (used["key"] >> np.uint64(32)).astype(np.int64)
    starts = np.searchsorted(contexts, first_states[1:])
    sizes = [len(unigrams), *np.diff(starts).tolist()]
    header = "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, start=1))
    yield f"\\data\\\n{header}"

    texts = {EMPTY_STATE: ""}
    for length in range(1, order + 1):
        yield f"\n\\{length}-grams:\n"
        if length == 1:
            row = rows.words[unigrams]
            parts = (np.zeros(len(unigrams), np.int64), unigrams, row["log_p"], row["state"])
        else:
            of_length = slice(int(starts[length - 2]), int(starts[length - 1]))
            row = used[of_length]
            words = (row["key"] & np.uint64(0xFFFFFFFF)).astype(np.int64)
            parts = (contexts[of_length], words, row["log_p"], row["next_state"])
        following: dict[int, str] = {}
        for begin in range(0, len(parts[0]), _CHUNK):
            chunk = tuple(part[begin : begin + _CHUNK] for part in parts)
            yield "".join(_lines(chunk, rows, forms, texts, following, int(first_states[length])))
        texts = following
    yield "\n\\end\\\n"


def _lines(
    ngrams: tuple[NDArray[Any], ...],
    rows: TableRows,
    forms: list[str],
    texts: dict[int, str],
    following: dict[int, str],
    first_state: int,
) -> Iterator[str]:
    """The lines of some n-grams: their contexts' states, words, log_p, and states after them.

    ``texts`` holds the words of the contexts; those of n-grams that are states themselves, which
    are numbered from ``first_state``, are put into ``following``.
    """
    contexts, words, log_p, states = ngrams
    back_off = rows.states["back_off"][states].astype(np.float64) / _LN_10
    columns = (contexts, words, log_p.astype(np.float64) / _LN_10, states, back_off)
    for context, word, log10_p, state, log10_back_off in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        text = texts[context] + forms[word]
        if state >= first_state:
            following[state] = f"{text} "
            yield f"{log10_p:.9g}\t{text}\t{log10_back_off:.9g}\n"
        else:
            yield f"{log10_p:.9g}\t{text}\n"
