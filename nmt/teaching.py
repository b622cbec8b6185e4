"""A teacher's translations of the training text, for another system to learn from.

Sequence-level knowledge distillation (Kim and Rush 2016, section 3.2): what the teacher says is
more regular than what people wrote, and so easier for a small model. The text's own translations
are learned as well, so that nothing of the data is lost.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from nmt.corpus import TextPairs
from nmt.corpus.text import PairsWriter
from nmt.files import build_once, hash_value, replacing_file
from nmt.lines import read_lines
from nmt.model_folder import ModelFolder
from nmt.systems import Device, load
from nmt.text import is_blank

_CHUNK: Final = 1000
"""Lines whose translations are kept together: a killed run loses no more than these."""
_REPORT_SECONDS: Final = 30.0


def add_taught_pairs(
    pairs: TextPairs,
    teacher: ModelFolder,
    *,
    cache: Path,
    device: Device,
    report: Callable[[str], None],
) -> TextPairs:
    """The pairs, followed by those of each source and the teacher's translation of it.

    What the teacher leaves empty is left out. All is kept in ``cache``, a thousand lines at a time:
    a run that was killed goes on where it was.

    Args:
        pairs: the training text.
        teacher: a trained system of the same languages.
        cache: folder of stages.
        device: where to compute.
        report: is told how far the teacher is.

    Raises UserError if the teacher's model cannot be loaded.
    """
    inputs = {
        "version": 1,
        "text": pairs.content_hash,
        "origins": hashlib.sha256(pairs.origins.tobytes()).hexdigest(),
        "teacher": teacher.content_hashes,
        "search": teacher.settings.get("search"),
    }

    def build(folder: Path) -> None:
        parts = cache / f"teaching-{hash_value(inputs)[:16]}"
        files = list(_translate(pairs, teacher, parts, device, report))
        with PairsWriter(folder) as writer:
            writer.append_rows(pairs, np.ones(len(pairs), np.bool_))
            for number, file in enumerate(files):
                targets = read_lines(file)
                rows = np.arange(number * _CHUNK, number * _CHUNK + len(targets))
                said = np.array([not is_blank(target) for target in targets])
                for origin in np.unique(pairs.origins[rows]).tolist():
                    chosen = rows[said & (pairs.origins[rows] == origin)]
                    writer.append(
                        pairs.source.take(chosen),
                        [targets[row - rows[0]] for row in chosen],
                        origin,
                    )
        for file in files:
            file.unlink()
        parts.rmdir()

    return TextPairs.open(build_once(cache, "taught", inputs, build), pairs.weights)


def _translate(
    pairs: TextPairs,
    teacher: ModelFolder,
    folder: Path,
    device: Device,
    report: Callable[[str], None],
) -> Iterator[Path]:
    """Files with the translations of the sources, chunk by chunk; those that are there stay."""
    translator = None
    folder.mkdir(parents=True, exist_ok=True)
    name, total = teacher.path.name, len(pairs)
    begun = told = time.monotonic()
    translated = 0
    for start in range(0, total, _CHUNK):
        file = folder / f"{start:09d}.txt"
        if not file.exists():
            translator = translator or load(teacher.path, device=device)
            found = translator.translate(pairs.source[start : start + _CHUNK])
            with replacing_file(file) as path:
                path.write_text("".join(f"{one.text}\n" for one in found), encoding="utf-8")
            translated += len(found)
        yield file
        now = time.monotonic()
        if translated and now - told >= _REPORT_SECONDS:
            told = now
            rate = translated / (now - begun)
            done = start + _CHUNK
            report(
                f"{name} has translated {done:,} of {total:,} lines, {rate:,.0f} a second; "
                f"{(total - done) / rate / 60:.0f} minutes left"
            )
