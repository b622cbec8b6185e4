"""Files as people have them: read, translated, and written back byte for byte but for the text.

`read_document` takes a file apart into segments, `translate_document` translates these and puts
them back. A document's module finds the places of its text in the file and patches these places;
nothing is parsed and written anew, so whatever is not text stays as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal, TypeAlias, assert_never, get_args

from nmt.documents.content import Code, Content, Document, Role, Segment
from nmt.documents.translation import TranslatedDocument, Untranslated, translate_document
from nmt.errors import UserError

__all__ = [
    "Code",
    "Content",
    "Document",
    "DocumentFormat",
    "Role",
    "Segment",
    "TranslatedDocument",
    "Untranslated",
    "as_document_format",
    "format_of",
    "read_document",
    "translate_document",
]

DocumentFormat: TypeAlias = Literal["po", "tmx", "xliff", "html", "srt", "markdown"]

_SUFFIXES: Final[dict[str, str]] = {
    ".po": "po",
    ".pot": "po",
    ".tmx": "tmx",
    ".xlf": "xliff",
    ".xliff": "xliff",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".srt": "srt",
    ".md": "markdown",
    ".markdown": "markdown",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
_NO_TEXT: Final = (".doc", ".docx", ".epub", ".odp", ".ods", ".odt", ".pdf", ".pptx", ".xlsx")


def format_of(path: Path | None) -> str:
    """The format that a file's name tells: a document's, ``tsv`` or ``jsonl``, else ``text``.

    Raises UserError for names of formats that are certainly not text.
    """
    suffix = path.suffix.lower() if path is not None else ""
    if suffix in _NO_TEXT:
        raise UserError(
            f"files like *{suffix} cannot be read",
            where=str(path),
            mend="save it as HTML or as text, or give --format if it is something else",
        )
    return _SUFFIXES.get(suffix, "text")


def as_document_format(name: str) -> DocumentFormat:
    """The format of this name, which must be one of those."""
    found: dict[str, DocumentFormat] = {one: one for one in get_args(DocumentFormat)}
    return found[name]


def read_document(
    data: bytes,
    name: str,
    document_format: DocumentFormat,
    *,
    source_language: str,
    target_language: str,
    final: bool = False,
) -> Document:
    """Take a file apart.

    Args:
        data: the file.
        name: what to call it in messages.
        document_format: how to read it.
        source_language: code of the language that is translated, which a translation memory holds
            among others, and XLIFF names.
        target_language: code of the language that it is translated to.
        final: do not mark translations as to be looked at by a person, in formats that can.

    Raises UserError, with the line, for what is not in the format.
    """
    match document_format:
        case "po":
            from nmt.documents.po import PoDocument

            return PoDocument(data, name, target_language=target_language, final=final)
        case "tmx":
            from nmt.documents.tmx import TmxDocument

            return TmxDocument(
                data, name, source_language=source_language, target_language=target_language
            )
        case "xliff":
            from nmt.documents.xliff import XliffDocument

            return XliffDocument(
                data,
                name,
                source_language=source_language,
                target_language=target_language,
                final=final,
            )
        case "html":
            from nmt.documents.html_document import HtmlDocument

            return HtmlDocument(data, name)
        case "srt":
            from nmt.documents.srt import SrtDocument

            return SrtDocument(data, name)
        case "markdown":
            from nmt.documents.markdown_document import MarkdownDocument

            return MarkdownDocument(data, name)
        case _:
            assert_never(document_format)
