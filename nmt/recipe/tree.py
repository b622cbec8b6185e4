"""The recipe: one typed tree that says what is trained on what, and how it is scored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import Field

from nmt.corpus.settings import CorpusSettings
from nmt.recipe.ensemble import EnsembleSettings
from nmt.recipe.suggest import did_you_mean
from nmt.recipe.systems import NeuralSettings, SystemSettings
from nmt.settings import Contradiction, Name, Settings
from nmt.tokenization.settings import SentencePieceSettings, TokenizerSettings, WordSettings


class EvaluationSettings(Settings):
    """How test output is scored."""

    metrics: list[Literal["bleu", "chrf", "ter"]] = Field(default=["bleu", "chrf"], min_length=1)
    """Metrics, by sacreBLEU (Post 2018), with their signatures."""
    bleu_tokenizer: Literal[
        "13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "flores200", "none"
    ] = "13a"
    """Tokenizer inside BLEU; 13a is WMT's."""
    lowercase: bool = False
    """Score without regard to case."""


class Recipe(Settings):
    """What is trained on what."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run and its folder; the file's name unless given."""
    description: str = ""
    """What the recipe is for, in a sentence."""
    corpus: CorpusSettings
    """The bitext."""
    tokenizer: TokenizerSettings = SentencePieceSettings()
    """How text becomes pieces, for neural systems."""
    systems: dict[Name, SystemSettings] = Field(min_length=1)
    """Named systems, each trained on the corpus."""
    evaluation: EvaluationSettings = EvaluationSettings()
    """How test output is scored."""

    def contradictions(self) -> Iterable[Contradiction]:
        """Parts of the recipe that do not go together."""
        corpus = self.corpus
        if corpus.source_language == corpus.target_language:
            yield Contradiction(
                f"source and target language are both {corpus.source_language}",
                ("corpus.target_language", "corpus.source_language"),
            )
        held_out = {"valid": corpus.valid, **{f"test.{n}": s for n, s in corpus.test.items()}}
        for index, source in enumerate(corpus.train):
            for name, other in held_out.items():
                if source.model_copy(update={"weight": other.weight}) == other:
                    yield Contradiction(
                        f"these pairs are also trained on (corpus.train.{index})",
                        (f"corpus.{name}", f"corpus.train.{index}"),
                        "keep the pairs that judge a system out of its training",
                    )
        for name, system in self.systems.items():
            if isinstance(system, NeuralSettings):
                yield from _contradictions_with_tokenizer(name, system, self.tokenizer)
                yield from _wrong_teacher(name, system, self.systems)
            elif isinstance(system, EnsembleSettings):
                yield from _wrong_members(name, system, self.systems)

    def in_order(self, names: Sequence[str]) -> list[str]:
        """These systems and all that they need, in the order in which they can be made.

        Members come before their ensemble, and teachers before those who learn from them.
        """
        order: dict[str, None] = {}
        for name in names:
            order |= dict.fromkeys(self.in_order(_needs(self.systems[name])))
            order[name] = None
        return list(order)


def _needs(system: SystemSettings) -> list[str]:
    """The systems without which this one cannot be made."""
    if isinstance(system, EnsembleSettings):
        return system.members
    if isinstance(system, NeuralSettings) and system.teacher is not None:
        return [system.teacher]
    return []


def _wrong_teacher(
    name: str, pupil: NeuralSettings, systems: Mapping[str, SystemSettings]
) -> Iterable[Contradiction]:
    if pupil.teacher is None:
        return
    setting = f"systems.{name}.teacher"
    others = [other for other in systems if other != name]
    if pupil.teacher not in systems:
        mend = did_you_mean(pupil.teacher, others) or (
            f"the other systems here are {', '.join(others)}" if others else None
        )
        yield Contradiction(f"the recipe has no system {pupil.teacher}", (setting,), mend)
        return
    seen: set[str] = set()
    ahead = [pupil.teacher]
    while ahead:
        one = ahead.pop()
        if one == name:
            yield Contradiction(
                f"{name} would have to be trained before itself",
                (setting,),
                "take a teacher that does not learn from it, nor is made of it",
            )
            return
        if one in systems and one not in seen:
            seen.add(one)
            ahead += _needs(systems[one])


def _wrong_members(
    name: str, ensemble: EnsembleSettings, systems: Mapping[str, SystemSettings]
) -> Iterable[Contradiction]:
    neural = [other for other in systems if isinstance(systems[other], NeuralSettings)]
    one = ensemble.members[0]
    first = systems.get(one)
    is_without = isinstance(first, NeuralSettings) and not first.search.shortlist
    if ensemble.search.shortlist and is_without:
        yield Contradiction(
            f"an ensemble has the shortlist of its first member, and {one} has none",
            (f"systems.{name}.search.shortlist", f"systems.{one}.search.shortlist"),
            f"set systems.{one}.search.shortlist to true",
        )
    for index, member in enumerate(ensemble.members):
        if member in neural:
            continue
        setting = f"systems.{name}.members.{index}"
        if member == name:
            what, mend = "an ensemble cannot be a member of itself", None
        elif member not in systems:
            what, mend = f"the recipe has no system {member}", did_you_mean(member, neural)
        else:
            what = (
                f"a system of kind {systems[member].kind} cannot be a member: only neural systems "
                "predict pieces of the tokenizer"
            )
            mend = None
        mend = mend or (f"the neural systems here are {', '.join(neural)}" if neural else None)
        yield Contradiction(what, (setting,), mend)


def _contradictions_with_tokenizer(
    name: str, system: NeuralSettings, tokenizer: TokenizerSettings
) -> Iterable[Contradiction]:
    if isinstance(tokenizer, WordSettings):
        yield Contradiction(
            f"words are for statistical systems, and systems.{name} is of kind {system.kind}",
            ("tokenizer.kind", f"systems.{name}.kind"),
            "take kind: sentencepiece or kind: huggingface",
        )
    elif (
        system.tied_embeddings == "all"
        and not tokenizer.joint
        and getattr(system, "initial_model", None) is None
    ):
        yield Contradiction(
            f"each language has a vocabulary of its own, but systems.{name} ties all embeddings",
            (f"systems.{name}.tied_embeddings", "tokenizer.joint"),
            f"set tokenizer.joint to true, or systems.{name}.tied_embeddings to decoder",
        )
