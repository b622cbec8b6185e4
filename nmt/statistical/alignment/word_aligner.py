"""Alignment of words as strings: a model together with its vocabularies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nmt.errors import UserError
from nmt.files import replacing_folder
from nmt.statistical.alignment.model import FACTS_FILE, AlignmentModel
from nmt.statistical.alignment.settings import AlignmentSettings
from nmt.statistical.alignment.training import align_bitext
from nmt.statistical.sentences import Alignments, Bitext
from nmt.statistical.vocabulary import Vocabulary

Words = Sequence[str]

_SOURCE_FILE: Final = "source.words.txt"
_TARGET_FILE: Final = "target.words.txt"


@dataclass(frozen=True)
class WordAligner:
    """A trained model that takes words."""

    source_vocabulary: Vocabulary
    target_vocabulary: Vocabulary
    model: AlignmentModel

    @classmethod
    def train(
        cls,
        source: Sequence[Words],
        target: Sequence[Words],
        settings: AlignmentSettings,
        *,
        workers: int,
        report: Callable[[str], None],
    ) -> tuple[Alignments, WordAligner]:
        """Train on sentence pairs and align them; see `align_bitext`."""
        source_vocabulary, target_vocabulary = Vocabulary.learn(source), Vocabulary.learn(target)
        alignments, model = align_bitext(
            Bitext(source_vocabulary.encode(source), target_vocabulary.encode(target)),
            settings,
            source_vocabulary_size=len(source_vocabulary),
            target_vocabulary_size=len(target_vocabulary),
            workers=workers,
            report=report,
        )
        return alignments, cls(source_vocabulary, target_vocabulary, model)

    def bitext(self, source: Sequence[Words], target: Sequence[Words]) -> Bitext:
        """Sentence pairs as the model takes them."""
        return Bitext(self.source_vocabulary.encode(source), self.target_vocabulary.encode(target))

    def save(self, folder: Path) -> None:
        """Make ``folder`` the model's; an older model there gives way.

        Raises UserError if it cannot be written, or holds anything but an alignment model.
        """
        check_model_place(folder)
        with replacing_folder(folder) as temporary:
            self.model.save(temporary)
            self.source_vocabulary.save(temporary / _SOURCE_FILE)
            self.target_vocabulary.save(temporary / _TARGET_FILE)

    @classmethod
    def load(cls, folder: Path) -> WordAligner:
        """Read what ``save`` wrote.

        Raises UserError if that is not there or damaged.
        """
        model = AlignmentModel.load(folder)
        vocabularies = []
        for name, size in (
            (_SOURCE_FILE, model.cells.num_source_words),
            (_TARGET_FILE, model.cells.num_target_words),
        ):
            try:
                vocabulary = Vocabulary.load(folder / name)
            except (OSError, UnicodeDecodeError) as error:
                raise UserError(
                    f"damaged alignment model: cannot read {name}", where=str(folder)
                ) from error
            if len(vocabulary) != size:
                raise UserError(
                    f"damaged alignment model: {name} has {len(vocabulary)} words, not {size}",
                    where=str(folder),
                )
            vocabularies.append(vocabulary)
        source_vocabulary, target_vocabulary = vocabularies
        return cls(source_vocabulary, target_vocabulary, model)


def check_model_place(folder: Path) -> None:
    """Raise UserError if saving a model in ``folder`` would destroy something else."""
    if folder.is_dir():
        if (folder / FACTS_FILE).is_file() or not any(folder.iterdir()):
            return
        what = "this folder holds something else than an alignment model"
    elif folder.exists():
        what = "this is a file, not a folder"
    else:
        return
    raise UserError(what, where=str(folder), mend="name a new folder")
