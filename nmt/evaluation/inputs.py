"""The files of one evaluation: read, checked against each other, and looked at for accidents."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from nmt.errors import UserError, UserErrors
from nmt.lines import iterate_lines, read_lines

STANDARD_INPUT = "-"


@dataclass(frozen=True)
class Inputs:
    """Segments of systems, references and source, all of the same number; keys are file names."""

    systems: dict[str, list[str]]
    references: dict[str, list[str]]
    source: list[str] | None = None


def read_inputs(
    hypotheses: Sequence[str],
    references: Sequence[str],
    source: str | None = None,
    *,
    standard_input: BinaryIO | None,
) -> Inputs:
    """Read files by the rules of `nmt.lines`; the name ``-`` stands for ``standard_input``.

    Raises UserError, or UserErrors naming every file that is at fault: missing, not UTF-8, given
    twice, empty, or of another number of lines than the first reference.
    """
    errors = _repeated(hypotheses, "hypotheses") + _repeated(references, "references")
    names = [*references, *hypotheses, *([source] if source is not None else [])]
    if names.count(STANDARD_INPUT) > 1 and not errors:
        errors.append(UserError("standard input (-) can be read only once"))
    if STANDARD_INPUT in names and standard_input is None:
        errors.append(UserError("standard input (-) is closed"))
    if errors:
        raise _one_or_all(errors)
    lines: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        try:
            if name == STANDARD_INPUT and standard_input is not None:
                lines[name] = list(iterate_lines(standard_input, "standard input"))
            else:
                lines[name] = read_lines(Path(name))
        except UserError as error:
            errors.append(error)
    errors += _unequal(lines, references[0])
    if errors:
        raise _one_or_all(errors)
    return Inputs(
        {name: lines[name] for name in hypotheses},
        {name: lines[name] for name in references},
        lines[source] if source is not None else None,
    )


def find_accidents(inputs: Inputs) -> list[str]:
    """Describe what can be scored but is probably not meant, in a sentence each."""
    found = []
    earlier: dict[str, list[str]] = {}
    for name, lines in inputs.systems.items():
        for other, text in (inputs.references | earlier).items():
            if lines == text:
                kind = "reference" if other in inputs.references else "output"
                found.append(f"{name} is, line for line, the {kind} {other}")
        earlier[name] = lines
        if blank := sum(not line.strip() for line in lines):
            found.append(f"{name}: {_lines(blank)} blank, scored as empty")
        # 100 is sacreBLEU's own threshold; half of a small file is as telling.
        tokenized = sum(line.endswith(" .") for line in lines)
        if tokenized >= min(100, len(lines) / 2):
            found.append(
                f'{name}: {_lines(tokenized)} in " .", like tokenized text; '
                "scores can be compared only on detokenized text"
            )
        if inputs.source is not None:
            pairs = zip(lines, inputs.source, strict=True)
            copied = sum(line.strip() == source.strip() != "" for line, source in pairs)
            if copied:
                found.append(f"{name}: {_lines(copied)} equal to the source line")
    return found


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}"


def _one_or_all(errors: list[UserError]) -> UserError:
    return errors[0] if len(errors) == 1 else UserErrors(errors)


def _repeated(names: Sequence[str], role: str) -> list[UserError]:
    errors = []
    seen: dict[str, str] = {}
    for name in names:
        file = name if name == STANDARD_INPUT else os.path.realpath(name)
        if file in seen:
            also = "" if seen[file] == name else f" (also as {seen[file]})"
            errors.append(UserError(f"given twice among the {role}{also}", where=name))
        seen.setdefault(file, name)
    return errors


def _unequal(lines: dict[str, list[str]], first_reference: str) -> list[UserError]:
    if first_reference not in lines:
        return []
    expected = len(lines[first_reference])
    if expected == 0:
        return [UserError("the file is empty: there is nothing to score", where=first_reference)]
    return [
        UserError(
            f"{_lines(len(segments))}, but the reference {first_reference} has {expected}",
            where="standard input" if name == STANDARD_INPUT else name,
            mend="line n of every file must be the same segment",
        )
        for name, segments in lines.items()
        if len(segments) != expected
    ]
