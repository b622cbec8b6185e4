"""From a recipe to trained, scored systems: what ``nmt-train`` does."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from nmt.corpus import PreparedCorpus, prepare_corpus
from nmt.differences import differences
from nmt.errors import UserError
from nmt.evaluation.metrics import score_with
from nmt.evaluation.report import score_lines
from nmt.files import explain_os_error, hash_value, replacing_file
from nmt.identity import (
    hash_of_weights,
    hashes_of_teacher,
    settings_of,
    with_new_settings,
)
from nmt.lines import read_lines
from nmt.lock import only_one
from nmt.model_folder import ModelFolder, open_model_folder
from nmt.recipe import (
    EnsembleSettings,
    NeuralSettings,
    PhraseBasedSettings,
    Recipe,
    RecurrentSettings,
    SystemSettings,
    TransformerSettings,
    WordByWordSettings,
)
from nmt.stopping import StopRequest
from nmt.systems import Device, load

if TYPE_CHECKING:
    from nmt.neural.training.distribution import Ranks


@dataclass(frozen=True, slots=True)
class Run:
    """Where a recipe's results go, and how they are made."""

    recipe: Recipe
    output: Path
    """Folder of all runs."""
    device: Device
    console: Console
    stop: StopRequest
    part: Path = Path()
    """Where in the recipe's folder the systems go, if not right into it."""
    ranks: Ranks | None = None
    """The processes that train neural systems together; this one leads them."""

    @property
    def folder(self) -> Path:
        """The folder of this recipe's systems."""
        return self.output / self.recipe.name / self.part

    @property
    def cache(self) -> Path:
        """Where stages that several runs can share keep their results."""
        return self.output / "cache"

    def say(self, text: str) -> None:
        """Print a line for the user."""
        self.console.print(text, markup=False, emoji=False, highlight=False, soft_wrap=True)


def train_systems(
    run: Run, names: list[str], *, fresh: bool = False, corpus: PreparedCorpus | None = None
) -> dict[str, ModelFolder]:
    """Train and score systems of a recipe, each from where an earlier run left it; their folders.

    Args:
        run: the recipe and where its results go.
        names: the systems to train, in this order, but members of ensembles before these, and$
            they are named or not.
        fresh: forget what earlier runs of the named systems left.
        corpus: the recipe's, if it is prepared already.

    Raises UserError for what the data or the disk do not allow, and where a system was trained with
    other settings; Stopped when asked to stop.
    """
    if corpus is None:
        corpus = prepare_corpus(run.recipe.corpus, cache=run.cache, report=run.say)
    models: dict[str, ModelFolder] = {}
    for name in run.recipe.in_order(names):
        folder = run.folder / name
        with only_one(folder):
            if fresh and name in names:
                _clear(folder)
            inputs = _inputs(run.recipe, name, corpus, models)
            model = _finished(folder, inputs, run.recipe, name)
            if model is None:
                model = _train(run, name, corpus, folder, inputs, models)
            else:
                run.say(f"{name} is trained already: {folder}")
            _score(run, corpus, model)
            models[name] = model
            run.say(f"translate with: nmt-translate {shlex.quote(str(folder))} --input FILE")
    return {name: models[name] for name in names}


def read_translations(model: ModelFolder, test: str) -> list[str]:
    """What a system made of a test set when it was scored; raises UserError if that is gone."""
    return read_lines(_translations(model, test))


def _translations(model: ModelFolder, test: str) -> Path:
    return model.path / "translations" / f"{test}.txt"


def _train(
    run: Run,
    name: str,
    corpus: PreparedCorpus,
    folder: Path,
    inputs: dict[str, Any],
    models: Mapping[str, ModelFolder],
) -> ModelFolder:
    match run.recipe.systems[name]:
        case EnsembleSettings(members=members):
            from nmt.neural.ensemble import make_ensemble

            together = {member: models[member] for member in members}
            return make_ensemble(run.recipe, name, together, folder, inputs=inputs)
        case TransformerSettings(teacher=teacher) | RecurrentSettings(teacher=teacher):
            from nmt.neural.train import train_neural

            pairs = corpus.train
            if teacher is not None:
                from nmt.teaching import add_taught_pairs

                pairs = add_taught_pairs(
                    pairs, models[teacher], cache=run.cache, device=run.device, report=run.say
                )
            return train_neural(
                run.recipe, name, corpus, folder,
                pairs=pairs,
                inputs=inputs, cache=run.cache,
                device_name=run.device, console=run.console, stop=run.stop, ranks=run.ranks,
            )  # fmt: skip
        case PhraseBasedSettings():
            from nmt.statistical.train import train_phrase_based

            return train_phrase_based(
                run.recipe, name, corpus, folder, inputs=inputs, cache=run.cache, report=run.say
            )
        case WordByWordSettings():
            from nmt.statistical.word_by_word.train import train_word_by_word

            return train_word_by_word(
                run.recipe, name, corpus, folder, inputs=inputs, cache=run.cache, report=run.say
            )


def _inputs(
    recipe: Recipe, name: str, corpus: PreparedCorpus, models: Mapping[str, ModelFolder]
) -> dict[str, Any]:
    """All that a system's training depends on, under the names of the recipe's settings.

    The models that it is made of, or learns from, are among ``models``.
    """
    system = recipe.systems[name]
    if isinstance(system, EnsembleSettings):
        return {
            "members": {member: models[member].content_hashes for member in system.members},
            "systems": {name: system.model_dump(mode="json")},
        }
    neural = isinstance(system, NeuralSettings)
    teacher = system.teacher if isinstance(system, NeuralSettings) else None
    initial = system.initial_model if isinstance(system, TransformerSettings) else None
    return {
        "corpus": {
            "train": corpus.train.content_hash[:12],
            "weights": list(corpus.train.weights),
            "valid": corpus.valid.content_hash[:12],
        },
        **({"tokenizer": recipe.tokenizer.model_dump(mode="json")} if neural else {}),
        **({"teacher": {teacher: hashes_of_teacher(models[teacher])}} if teacher else {}),
        **({"initial_model": hash_of_weights(open_model_folder(initial))} if initial else {}),
        "systems": {name: settings_of(system)},
    }


def _finished(
    folder: Path, inputs: dict[str, Any], recipe: Recipe, name: str
) -> ModelFolder | None:
    """The model of a system that was trained just so; None if training has to begin or go on.

    Raises UserError for a model that training would replace without having its checkpoints.
    """
    system = recipe.systems[name]
    if not (folder / "model.json").is_file():
        _refuse_training_of_another_kind(folder / "training", system)
        return None
    try:
        model = open_model_folder(folder)
    except UserError as error:
        error.mend = "nmt-train --fresh trains it again from the beginning"
        raise
    if model.kind not in (system.kind, "ensemble"):
        raise _another_kind(f"model of kind {model.kind}", system, folder)
    before = with_new_settings(model.training.get("identity") or {}, recipe, name)
    if before == inputs:
        return model
    if (folder / "training").is_dir() or model.kind == "ensemble":  # which is made again at once
        return None
    changed = differences(before, inputs)
    raise UserError(
        "here is a model of other settings or data, whose checkpoints are gone\n  "
        + "\n  ".join(f"{path}: {how}" for path, how in changed.items()),
        where=str(folder),
        mend="nmt-train --fresh trains it anew and forgets that model, another --output keeps it",
    )


def _refuse_training_of_another_kind(training: Path, system: SystemSettings) -> None:
    """Raise UserError for a state that a training of this kind would not see, and would forget."""
    neural = isinstance(system, NeuralSettings)
    if not neural and (training / "last.safetensors").is_file():
        raise _another_kind("training of a network", system, training)
    statistical = isinstance(system, PhraseBasedSettings | WordByWordSettings)
    if not statistical and (training / "identity.json").is_file():
        raise _another_kind("training of a statistical system", system, training)


def _another_kind(what: str, system: SystemSettings, where: Path) -> UserError:
    return UserError(
        f"here is a {what}, and the recipe now says kind: {system.kind}",
        where=str(where),
        mend="give the system another name; or nmt-train --fresh begins anew and forgets what is "
        "there",
    )


def _clear(folder: Path) -> None:
    """Empty a system's folder; raises UserError if it is not one, or cannot be emptied."""
    entries = list(folder.iterdir())
    if entries and not any(entry.name in ("model.json", "training") for entry in entries):
        raise UserError(
            "this folder holds something else than a training; it is left as it is",
            where=str(folder),
            mend="remove it yourself, or choose another --output",
        )
    try:
        for entry in entries:
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    except OSError as error:
        raise explain_os_error(error, folder) from error


def _score(run: Run, corpus: PreparedCorpus, model: ModelFolder) -> None:
    """Translate and score the test sets, and store output and scores beside the model.

    What is stored already is used again if it is of the same model, test set and settings.
    """
    evaluation = run.recipe.evaluation.model_dump(mode="json")
    known = (model.scores() or {}).get("test", {})
    scores: dict[str, Any] = {}
    translator = None
    for test, pairs in corpus.test.items():
        key = hash_value(
            {
                "model": {name: facts.sha256 for name, facts in model.files.items()},
                "settings": model.settings,
                "test": pairs.content_hash,
                "evaluation": evaluation,
            }
        )
        output = _translations(model, test)
        entry = known.get(test)
        if entry is None or entry["key"] != key or not output.is_file():
            if translator is None:
                translator = load(model.path, device=run.device)
            hypotheses = [translation.text for translation in translator.translate(pairs.source)]
            with replacing_file(output) as path:
                path.write_text("".join(f"{line}\n" for line in hypotheses), encoding="utf-8")
            found = score_with(run.recipe.evaluation, hypotheses, [list(pairs.target)])
            entry = {
                "key": key,
                "lines": score_lines(found),
                "scores": {metric: score.to_json() for metric, score in found.items()},
            }
            # At once, so that a stop costs no more than one test set.
            model.add_scores({"evaluation": evaluation, "test": {**known, **scores, test: entry}})
        scores[test] = entry
        run.say(f"{test}:")
        for line in entry["lines"]:
            run.say(f"  {line}")
    final = {"evaluation": evaluation, "test": scores}
    if scores and final != model.scores():
        model.add_scores(final)
