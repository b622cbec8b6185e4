"""Systems that translate together: made from trained ones, loaded from a folder that holds them.

::

    model.json          kind: ensemble; the members' names, and how to search
    members/NAME/       each member's model folder, without its checkpoints and scores
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError

from nmt.errors import UserError, UserErrors
from nmt.model_folder import COPY_AGAIN, ModelFolder, open_model_folder, write_model_folder
from nmt.neural.backends.onnx_model import OnnxTransformer
from nmt.neural.model.ensemble import Ensemble
from nmt.neural.model.translation_model import TranslationModel
from nmt.neural.system import TOKENIZER, NeuralTranslator, load_neural
from nmt.recipe import Recipe
from nmt.recipe.ensemble import EnsembleSettings
from nmt.recipe.neural import SearchSettings
from nmt.tokenization import NUM_CONTROL_IDS, Tokenizer, TokenizerPair

MEMBERS: Final = "members"
_SHOWN: Final = 60
"""Characters shown of a piece that differs."""


def join(
    members: Mapping[str, NeuralTranslator], search: SearchSettings | None = None
) -> NeuralTranslator:
    """A translator that averages what others predict.

    Members may be of different kinds and sizes, and ensembles themselves (all of their members
    then count alike); they must have the same languages and the same pieces.

    Args:
        members: translators by the names to call them by in messages; two at least, on one device.
        search: how to search; None takes the settings of the first.

    Raises UserErrors that say of each member in what it differs from the first.
    """
    first = next(iter(members.values()))
    errors = _differences(
        {
            name: _Speaker(one.source_language, one.target_language, one.tokenizers)
            for name, one in members.items()
        }
    )
    models: list[TranslationModel] = []
    for name, member in members.items():
        if isinstance(member.model, Ensemble):
            models += member.model.members
        elif isinstance(member.model, OnnxTransformer):
            errors.append(
                UserError(
                    "an exported model does not translate together with others",
                    where=name,
                    mend="give the model that it was exported from",
                )
            )
        else:
            models.append(member.model)
    if errors:
        raise UserErrors(errors)
    return NeuralTranslator(
        Ensemble(models),
        first.tokenizers,
        first.settings if search is None else search,
        source_language=first.source_language,
        target_language=first.target_language,
        workers=first.workers,
        shortlist=first.shortlist,
        max_source_pieces=min(member.max_segment_pieces + 1 for member in members.values()),
        processes=first.model.output.device.type == "cpu",
    )


class _Speaker(NamedTuple):
    """What all members of an ensemble must have in common."""

    source_language: str
    target_language: str
    tokenizers: TokenizerPair


def _differences(members: Mapping[str, _Speaker]) -> list[UserError]:
    """In what each member differs from the first."""
    (first_name, first), *others = members.items()
    return [
        UserError(
            f"cannot translate together with {first_name}: {difference}",
            where=name,
            mend="train them by the same recipe, or with the same tokenizer and corpus",
        )
        for name, other in others
        if (difference := _difference(first, other))
    ]


def _difference(one: _Speaker, other: _Speaker) -> str | None:
    """What keeps two systems from translating together, in words; None if nothing does."""
    languages = [f"{each.source_language}-{each.target_language}" for each in (other, one)]
    if languages[0] != languages[1]:
        return f"it translates {languages[0]}, not {languages[1]}"
    for side in ("source", "target"):
        tokenizers = [getattr(each.tokenizers, side) for each in (other, one)]
        if tokenizers[0].content_hash != tokenizers[1].content_hash:
            return f"its {side} vocabulary is another one ({_pieces_that_differ(*tokenizers)})"
    return None


def _pieces_that_differ(one: Tokenizer, other: Tokenizer) -> str:
    sizes = one.vocabulary_size, other.vocabulary_size
    if sizes[0] != sizes[1]:
        return f"{sizes[0]:,} pieces, not {sizes[1]:,}"
    ids = [[piece] for piece in range(NUM_CONTROL_IDS, sizes[0])]
    for (piece,), here, there in zip(ids, one.decode(ids), other.decode(ids), strict=True):
        if here != there:
            return f"piece {piece} is {here[:_SHOWN]!r}, not {there[:_SHOWN]!r}"
    return "the same pieces, but text is cut into them in another way"


def load_ensemble(
    folder: ModelFolder, device_name: str, *, precision: str | None = None
) -> NeuralTranslator:
    """Open a model folder of an ensemble; all members compute in the same precision.

    Raises UserError if the device is not there, or if something in the folder is damaged.
    """
    where = str(folder.path)
    names = folder.settings.get("members")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError("an ensemble without its members", where=where, mend=COPY_AGAIN)
    try:
        search = SearchSettings.model_validate(folder.settings.get("search"))
    except ValidationError as error:
        raise UserError(
            f"not the settings of a search: {error}", where=where, mend=COPY_AGAIN
        ) from error
    paths = [folder.path / MEMBERS / name for name in names]
    return join(
        {
            str(path): load_neural(open_model_folder(path), device_name, precision=precision)
            for path in paths
        },
        search,
    )


def make_ensemble(
    recipe: Recipe,
    name: str,
    members: Mapping[str, ModelFolder],
    folder: Path,
    *,
    inputs: Mapping[str, Any],
) -> ModelFolder:
    """Make system ``name`` of a recipe from its trained members: a model folder that holds them.

    Its training is all of theirs: the times are sums, the memory is the most that one took.

    Raises UserErrors, before anything is written, for members that do not fit the first one.
    """
    system = recipe.systems[name]
    assert isinstance(system, EnsembleSettings)
    languages = recipe.corpus.source_language, recipe.corpus.target_language
    errors = _differences(
        {
            str(member.path): _Speaker(*languages, TokenizerPair.load(member.path / TOKENIZER))
            for member in members.values()
        }
    )
    if errors:
        raise UserErrors(errors)
    facts = [member.training for member in members.values()]

    def fill(staging: Path) -> None:
        for name, member in members.items():
            for file in ("model.json", *member.files):
                path = staging / MEMBERS / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(member.path / file, path)

    return write_model_folder(
        folder,
        kind=system.kind,
        source_language=recipe.corpus.source_language,
        target_language=recipe.corpus.target_language,
        settings={"members": list(members), "search": system.search.model_dump(mode="json")},
        training={
            "identity": dict(inputs),
            "recipe": recipe.model_dump(mode="json"),
            **{key: round(_sum(facts, key), 1) for key in ("seconds", "cpu_seconds")},
            "peak_memory_bytes": max(one.get("peak_memory_bytes") or 0 for one in facts) or None,
            "device": ", ".join(dict.fromkeys(one.get("device", "unknown") for one in facts)),
        },
        fill=fill,
    )


def _sum(facts: Sequence[Mapping[str, Any]], key: str) -> float:
    return float(sum(one.get(key, 0.0) for one in facts))
