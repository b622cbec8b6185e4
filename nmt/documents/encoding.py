"""From a file's bytes to text and back without loss."""

from __future__ import annotations

import codecs
from dataclasses import dataclass

from nmt.errors import UserError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as that of 16 bits does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a file's text was written."""

    name: str
    mark: bytes = b""
    """The byte order mark before it."""

    def encode(self, text: str, *, where: str, references: bool = False) -> bytes:
        """The bytes of a text.

        Args:
            text: what to write.
            where: the file's name, for messages.
            references: write characters that the encoding lacks as ``&#...;``.

        Raises UserError for characters that the encoding lacks.
        """
        try:
            errors = "xmlcharrefreplace" if references else "strict"
            return self.mark + text.encode(self.name, errors)
        except UnicodeEncodeError as error:
            lacking = text[error.start]
            raise UserError(
                f"the file's encoding, {self.name}, has no {lacking!r} (U+{ord(lacking):04X}), "
                "which a translation has",
                where=where,
                mend="convert the file to UTF-8 first, and the encoding that it names in itself",
            ) from error


def byte_order_mark(data: bytes) -> Encoding | None:
    """The encoding that a byte order mark tells, if there is one."""
    for mark, name in _MARKS:
        if data.startswith(mark):
            return Encoding(name, mark)
    return None


def decode(data: bytes, where: str, declared: str | None = None) -> tuple[str, Encoding]:
    """The text of a file: by its byte order mark, else as declared in it, else UTF-8.

    Raises UserError for bytes that the encoding does not know (the file changes its encoding
    midway, or declares a wrong one), with the line, for an encoding that Python does not know, and
    for text that would come back as other bytes.
    """
    encoding = byte_order_mark(data) or Encoding(_known(declared, where) if declared else "utf-8")
    body = data[len(encoding.mark) :]
    try:
        text = body.decode(encoding.name)
    except UnicodeDecodeError as error:
        line = body[: error.start].decode(encoding.name, "ignore").count("\n") + 1
        said = "declared in it" if declared and not encoding.mark else "by its beginning"
        if not declared and not encoding.mark:
            said = "as nothing else is declared in it"
        raise UserError(
            f"not valid {encoding.name} ({said}): byte 0x{body[error.start]:02x} "
            f"at byte {len(encoding.mark) + error.start + 1} of the file",
            where=f"{where}:{line}",
            mend="mend the line, or convert the file to UTF-8 (iconv -f ENCODING -t UTF-8)",
        ) from error
    if text.encode(encoding.name) != body:
        raise UserError(
            f"its {encoding.name} is written in a way that would not come back the same",
            where=where,
            mend="convert it to UTF-8 (iconv -f ENCODING -t UTF-8)",
        )
    return text, encoding


def _known(name: str, where: str) -> str:
    try:
        found = codecs.lookup(name).name
        "".encode(found)  # some codecs are not of text
    except (LookupError, ValueError) as error:
        raise UserError(
            f"declares an encoding that is not known: {name!r}",
            where=where,
            mend="convert it to UTF-8 (iconv -f ENCODING -t UTF-8)",
        ) from error
    return found
