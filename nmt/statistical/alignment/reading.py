"""Tokenised bitext from files: words between spaces, a sentence pair a line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nmt.errors import UserError, UserErrors
from nmt.lines import read_lines
from nmt.statistical.alignment.symmetrization import LONGEST_SENTENCE

SEPARATOR: Final = "|||"
"""Between source and target where both are in one line."""

MOST_PAIRS: Final = 1 << 24
"""Pairs of words that a sentence pair may have; the aligner takes some 40 bytes for each."""

Side = list[list[str]]


def read_pairs(source_file: Path, target_file: Path | None) -> tuple[Side, Side]:
    """The words of both sides, from two files or from one of lines ``source ||| target``.

    Words are what stands between spaces or tabs. A blank line is a sentence without words, also in
    a file of both sides. Raises UserError, or UserErrors for several, for what cannot be read, for
    files of different length, for lines without or with several separators, and for sentences
    that are too long.
    """
    if target_file is None:
        name = str(source_file)
        source, target = _split_sides(read_lines(source_file), name)
        _check_lengths(source, target, (name, name))
        return source, target
    errors: list[UserError] = []
    sides = []
    for file in (source_file, target_file):
        try:
            sides.append([_words(line) for line in read_lines(file)])
        except UserError as error:
            errors.append(error)
    if errors:
        raise UserErrors(errors)
    source, target = sides
    if len(source) != len(target):
        raise UserError(
            f"{len(target)} lines, but {source_file} has {len(source)}",
            where=str(target_file),
            mend="line n of both files must be the same sentence pair",
        )
    _check_lengths(source, target, (str(source_file), str(target_file)))
    return source, target


def _words(text: str) -> list[str]:
    # Not split(), which also takes no-break spaces for gaps, and these are part of some words.
    return [word for word in text.replace("\t", " ").split(" ") if word]


def _split_sides(lines: list[str], name: str) -> tuple[Side, Side]:
    source: Side = []
    target: Side = []
    errors = []
    for number, line in enumerate(lines, start=1):
        words = _words(line)
        count = words.count(SEPARATOR)
        if count > 1 or (count == 0 and words):
            what = "no" if count == 0 else f"{count} times"
            mend = "write: source words ||| target words; or name a second file for the target"
            errors.append(UserError(f"{what} {SEPARATOR}", where=f"{name}:{number}", mend=mend))
        middle = words.index(SEPARATOR) if count else len(words)
        source.append(words[:middle])
        target.append(words[middle + 1 :])
    if errors:
        raise UserErrors(errors[:10])
    return source, target


def _check_lengths(source: Side, target: Side, names: tuple[str, str]) -> None:
    errors = []
    for number, words in enumerate(zip(source, target, strict=True), start=1):
        lengths = [len(side) for side in words]
        longer = 0 if lengths[0] >= lengths[1] else 1
        if max(lengths) > LONGEST_SENTENCE:
            what = f"{max(lengths):,} words; a sentence has at most {LONGEST_SENTENCE:,}"
        elif lengths[0] * lengths[1] > MOST_PAIRS:
            what = f"sentences of {lengths[0]:,} and {lengths[1]:,} words are too long to align"
        else:
            continue
        errors.append(UserError(what, where=f"{names[longer]}:{number}", mend="split the line"))
    if errors:
        raise UserErrors(errors[:10])
