"""The LibreOffice help in two languages, fetched from Debian or Ubuntu packages without installing.

Every language's package holds the same HTML files with the same paragraph ids, so paragraphs with
one id are translations of each other. Some 36,000 pairs for English-German, under the MPL-2.0.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nmt.errors import UserError

_PACKAGE = "libreoffice-help-"
_LOCALES = {"en": "en-us", "zh": "zh-cn"}

_PARAGRAPH = re.compile(r"<(p|h[1-6])\b([^>]*)>(.*?)</\1>", re.DOTALL)
_ID = re.compile(r'\bid="([^"]*)"')
_LINE_BREAK = re.compile(r"<br\b[^>]*>")
_TAG = re.compile(r"<[^>]*>")
_TWO_LETTERS = re.compile(r"[^\W\d_]{2}")


@contextmanager
def fetched_help(languages: tuple[str, str], folder: Path) -> Iterator[tuple[Path, Path]]:
    """Download and unpack the help of two languages below ``folder`` while the block runs.

    Yields each language's folder of HTML files. Raises UserError if this is no Debian or Ubuntu
    machine, if a language has no package, and if the download fails.
    """
    packages = {language: _PACKAGE + _locale(language) for language in languages}
    with tempfile.TemporaryDirectory(dir=folder) as name:
        place = Path(name).resolve()  # the programs run in it, so a relative path would not hold
        result = _run(["apt-get", "download", *packages.values()], place)
        if result.returncode != 0:
            raise _explain(result.stderr, packages)
        for package in sorted(place.glob("*.deb")):
            unpacked = _run(["dpkg-deb", "-x", str(package), str(place)], place)
            if unpacked.returncode != 0:
                raise UserError(f"cannot unpack: {unpacked.stderr.strip()}", where=package.name)
        yield _help_folder(place, languages[0]), _help_folder(place, languages[1])


def read_help(source: Path, target: Path) -> list[tuple[str, str]]:
    """The translated paragraphs of two unpacked help folders, in the order of the files.

    Left out are pairs whose sides are equal (not translated), exact repeats, and pairs in which a
    side has no two letters in a row.
    """
    pairs: dict[tuple[str, str], None] = {}
    for path in sorted(source.rglob("*.html")):
        counterpart = target / path.relative_to(source)
        if not counterpart.is_file():
            continue
        translations = _paragraphs(counterpart)
        for identifier, text in _paragraphs(path).items():
            translation = translations.get(identifier)
            if (
                translation is not None
                and translation != text
                and _TWO_LETTERS.search(text)
                and _TWO_LETTERS.search(translation)
            ):
                pairs[text, translation] = None
    return list(pairs)


def _paragraphs(path: Path) -> dict[str, str]:
    """The text of each paragraph and heading by its id; the first, if several have the same."""
    paragraphs: dict[str, str] = {}
    for match in _PARAGRAPH.finditer(path.read_text(encoding="utf-8")):
        identifier = _ID.search(match[2])
        if identifier:
            plain = html.unescape(_TAG.sub("", _LINE_BREAK.sub(" ", match[3])))
            paragraphs.setdefault(identifier[1], " ".join(plain.split()))
    return paragraphs


def _locale(language: str) -> str:
    return _LOCALES.get(language, language.lower())


def _help_folder(folder: Path, language: str) -> Path:
    help_root = folder / "usr" / "share" / "libreoffice" / "help"
    for entry in help_root.iterdir() if help_root.is_dir() else ():
        if entry.name.lower() == _locale(language):
            return entry
    raise UserError(
        f"package {_PACKAGE}{_locale(language)} holds no help in {language}",
        mend="its layout may have changed; use another language or release",
    )


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError:
        raise UserError(
            f"libreoffice-help is fetched with {command[0]}, which this machine does not have",
            mend="use a Debian or Ubuntu machine, or give root: a folder with SPLIT.LANGUAGE files",
        ) from None


def _explain(stderr: str, packages: dict[str, str]) -> UserError:
    """Tell a missing language from missing package lists and from a failing network."""
    lines = [line for line in stderr.splitlines() if line.startswith("E:")]
    reason = lines[0].removeprefix("E:").strip() if lines else stderr.strip()
    listed = _run(["apt-cache", "pkgnames", _PACKAGE], Path.cwd()).stdout.split()
    missing = [language for language, package in packages.items() if package not in listed]
    locales = sorted(name.removeprefix(_PACKAGE) for name in listed)
    if missing and "en-us" in locales:
        return UserError(
            f"libreoffice-help has no text in {' and '.join(missing)}",
            mend=f"languages there: {', '.join(name for name in locales if name != 'common')}",
        )
    return UserError(
        f"libreoffice-help cannot be fetched: {reason}",
        mend="bring the package lists up to date with: apt-get update (and check the network)",
    )
