"""From a recipe to trained, scored systems: what ``nmt-train`` does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nmt.corpus import PreparedCorpus, prepare_corpus
from nmt.errors import UserError
from nmt.evaluation.metrics import score_with
from nmt.evaluation.report import score_lines
from nmt.files import hash_value, replacing_file
from nmt.model_folder import ModelFolder, open_model_folder
from nmt.recipe import Recipe, TransformerSettings
from nmt.systems import Device, load


class Stopped(Exception):
    """Training was stopped on request; the same command continues it."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where a recipe's results go, and how they are made."""

    recipe: Recipe
    output: Path
    """Folder of all runs."""
    data_root: Path | None
    """Folder of local corpora."""
    device: Device
    console: Console
    stop: Callable[[], str | None]
    """Asked again and again while training: a reason to stop, or None."""

    @property
    def folder(self) -> Path:
        """The folder of this recipe's systems."""
        return self.output / self.recipe.name

    @property
    def cache(self) -> Path:
        """Where stages that several runs can share keep their results."""
        return self.output / "cache"


def train_systems(run: Run, names: list[str], *, fresh: bool = False) -> None:
    """Train and score systems of a recipe, each from where an earlier run left it.

    Args:
        run: the recipe and where its results go.
        names: the systems to train, in this order.
        fresh: forget what earlier runs of these systems left.

    Raises UserError for what the data or the disk do not allow, Stopped when asked to stop.
    """
    corpus = prepare_corpus(
        run.recipe.corpus, cache=run.cache, data_root=run.data_root, report=_say(run.console)
    )
    for name in names:
        folder = run.folder / name
        if fresh and folder.exists():
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise UserError(f"cannot be removed: {error.strerror}", where=str(folder)) from error
        model = _finished(run, name, corpus)
        if model is None:
            model = _train(run, name, corpus, folder)
        else:
            run.console.print(f"{name} is trained already: {folder}", highlight=False)
        _score(run, corpus, model)
        _print_how_to_translate(run, folder)


def _train(run: Run, name: str, corpus: PreparedCorpus, folder: Path) -> ModelFolder:
    settings = run.recipe.systems[name]
    match settings:
        case TransformerSettings():
            from nmt.neural import train

            try:
                return train.train_transformer(
                    run.recipe, name, corpus, folder,
                    identity=_identity(run, name, corpus), cache=run.cache,
                    device_name=run.device, console=run.console, stop=run.stop,
                )  # fmt: skip
            except train.Stopped as stopped:
                raise Stopped(str(stopped)) from stopped


def _identity(run: Run, name: str, corpus: PreparedCorpus) -> str:
    """A hash of all that a system's training depends on."""
    return hash_value(
        {
            "system": run.recipe.systems[name].model_dump(mode="json"),
            "tokenizer": run.recipe.tokenizer.model_dump(mode="json"),
            "train": corpus.train.content_hash,
            "weights": list(corpus.train.weights),
            "valid": corpus.valid.content_hash,
        }
    )


def _finished(run: Run, name: str, corpus: PreparedCorpus) -> ModelFolder | None:
    """The model folder of a system that was trained just so, if there is one."""
    folder = run.folder / name
    if not (folder / "model.json").is_file():
        return None
    model = open_model_folder(folder)
    return model if model.training.get("identity") == _identity(run, name, corpus) else None


def _score(run: Run, corpus: PreparedCorpus, model: ModelFolder) -> None:
    """Translate and score the test sets, and store output and scores beside the model."""
    if not corpus.test:
        return
    known = model.scores() or {}
    evaluation = run.recipe.evaluation.model_dump(mode="json")
    scores: dict[str, Any] = {"evaluation": evaluation, "test": {}}
    translator = None
    for test, pairs in corpus.test.items():
        key = {"content": pairs.content_hash, "evaluation": evaluation}
        before = known.get("test", {}).get(test)
        if before and before["of"] == key:
            scores["test"][test] = before
            lines = before["lines"]
        else:
            if translator is None:
                translator = load(model.path, device=run.device)
            hypotheses = [found.text for found in translator.translate(pairs.source)]
            with replacing_file(model.path / "translations" / f"{test}.txt") as path:
                path.write_text("".join(f"{line}\n" for line in hypotheses), encoding="utf-8")
            found = score_with(run.recipe.evaluation, hypotheses, [list(pairs.target)])
            lines = score_lines(found)
            scores["test"][test] = {
                "of": key,
                "lines": lines,
                "scores": {metric: score.to_json() for metric, score in found.items()},
            }
        run.console.print(f"{test}:", highlight=False)
        for line in lines:
            run.console.print(f"  {line}", highlight=False, soft_wrap=True)
    model.add_scores(scores)


def _print_how_to_translate(run: Run, folder: Path) -> None:
    run.console.print(
        f"translate with: nmt-translate {folder} --input FILE", highlight=False, soft_wrap=True
    )


def _say(console: Console) -> Callable[[str], None]:
    return lambda text: console.print(text, highlight=False, soft_wrap=True)
