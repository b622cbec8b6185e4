"""What ``nmt-translate`` does with some of its options."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import typer

from nmt.cli.streams import open_output, read_input
from nmt.errors import UserError

if TYPE_CHECKING:
    from nmt.cli.throughput import Display
    from nmt.glossary import Glossary
    from nmt.search_options import SearchKeywords
    from nmt.translator import Translation, Translator


def translate_tagged_lines(
    translator: Translator,
    source: Path | None,
    stream: BinaryIO,
    name: str,
    options: SearchKeywords,
    display: Display,
) -> None:
    """Write lines, tags and all; says on standard error which were left as they were."""
    from nmt.documents import tagged_lines

    lines = read_input(source)
    for data, untranslated in tagged_lines.translate_tagged_lines(
        lines, translator, options, display.add
    ):
        stream.write(data)
        stream.flush()
        for one in untranslated:
            typer.echo(f"{name}:{one.line}: left as it is: {one.reason}", err=True)


def check_place_of_its_own(alignments: Path | None, **others: Path | None) -> None:
    """Raise UserError if alignments would be written over what another option names."""
    for name, path in others.items():
        if alignments is not None and path is not None and alignments.resolve() == path.resolve():
            raise UserError(
                f"--alignments and --{name} are the same file",
                where=str(alignments),
                mend="give another name to --alignments",
            )


@contextlib.contextmanager
def alignment_writer(alignments: Path | None) -> Iterator[Callable[[str, Translation], object]]:
    """What writes the word alignment of each line to a file, if one is named."""
    if alignments is None:
        yield lambda _source, _translation: None
        return
    from nmt.alignments import pharaoh_line

    with open_output(alignments) as stream:
        yield lambda source, translation: stream.write(
            f"{pharaoh_line(source, translation)}\n".encode("ascii")
        )


def open_glossary(path: Path | None) -> Glossary | None:
    """The glossary in a file, if one is named; raises UserErrors for what is wrong with it."""
    from nmt.glossary import read_glossary

    return None if path is None else read_glossary(path)
