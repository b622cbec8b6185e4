"""Model folders: everything needed to translate, in one folder that can be moved or mailed.

::

    model.json          what the model is: kind, languages, settings, how it was trained, its files
    *.safetensors       weights
    tokenizer/          how text becomes pieces
    recipe.yaml         the recipe that it was trained by, where there is one
    scores.json         test scores, where there are any; may be added later
    training/           checkpoints and logs; not part of the model, may be deleted

``model.json`` lists every file of the model with its size and SHA-256, so a file that is missing or
was cut off is noticed before anything is loaded. The folder holds no pickle and no code.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from nmt.errors import UserError, UserErrors
from nmt.files import explain_os_error, hash_file, write_json

FORMAT_VERSION = 1
"""Version of the layout; a folder of a later version is refused rather than misread."""

_MODEL = "model.json"
_SCORES = "scores.json"
_TRAINING = "training"
# The prefix of folders in which new files wait to be moved into place.
_STAGING = ".model."
# Hashing this much takes some hundredths of a second: done at every opening. Weights are only
# hashed by `ModelFolder.verify`.
_SMALL_FILE_BYTES = 8 * 1024 * 1024


def _relative(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"{name!r} does not lie in the model folder")
    return name


class FileFacts(BaseModel):
    """What a file of the model must be."""

    model_config = ConfigDict(frozen=True)

    size: int
    """Size in bytes."""
    sha256: str
    """SHA-256 of its bytes, in hexadecimal."""


class ModelFolder(BaseModel):
    """A model folder that was found to be complete; made by `open_model_folder`."""

    model_config = ConfigDict(frozen=True)

    path: Path = Field(exclude=True)
    """Where it lies; not written to it."""
    format_version: int
    """Version of the layout."""
    kind: str
    """Kind of system, such as ``transformer``; says how to load it."""
    source_language: str
    """Language code of the text that it takes."""
    target_language: str
    """Language code of the text that it gives."""
    settings: dict[str, Any]
    """The system's settings, all resolved: what it was made with, not what the recipe left out."""
    training: dict[str, Any]
    """Facts of its training: updates, time, validation scores, versions."""
    files: dict[Annotated[str, AfterValidator(_relative)], FileFacts]
    """Its files by their paths in the folder, with forward slashes."""

    def file(self, name: str) -> Path:
        """The path of one of the model's files.

        Raises UserError if the model has no such file.
        """
        if name not in self.files:
            raise UserError(f"the model has no file {name}", where=str(self.path / _MODEL))
        return self.path / name

    @property
    def content_hashes(self) -> dict[str, str]:
        """Beginnings of the hashes of its files (hex), which say of a result what it came from."""
        return {name: facts.sha256[:12] for name, facts in self.files.items()}

    def scores(self) -> Any:
        """The test scores that were added to it, as `add_scores` was given them; None if none."""
        path = self.path / _SCORES
        return _read_json(path) if path.is_file() else None

    def add_scores(self, scores: Any) -> None:
        """Write ``scores.json``, in place of an earlier one. The model's own files stay."""
        write_json(self.path / _SCORES, scores)

    def verify(self) -> None:
        """Hash every file of the model, the weights included.

        Raises UserErrors that name each file whose content is not what was written.
        """
        _check_files(self, largest_hashed=None)


def write_model_folder(
    folder: Path,
    *,
    kind: str,
    source_language: str,
    target_language: str,
    settings: Mapping[str, Any],
    training: Mapping[str, Any],
    fill: Callable[[Path], None],
) -> ModelFolder:
    """Make ``folder`` the model that ``fill`` writes, and leave all else in it (``training/``) be.

    ``fill`` gets an empty folder on the same disk and writes the model's files into it. Then they
    are moved into place one by one. ``model.json`` is taken away before and written last, so after
    a kill in between there is no model rather than a mixture of two; until ``fill`` is done the old
    model stays untouched. A ``scores.json`` of an earlier, different model is removed.

    Raises UserError if it cannot be written (a full disk, a read-only folder).
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left_over in folder.glob(f"{_STAGING}*"):  # of runs that were killed
            if left_over.is_dir():
                shutil.rmtree(left_over)
            else:  # model.json, half written
                left_over.unlink()
        staging = Path(tempfile.mkdtemp(dir=folder, prefix=_STAGING))
        try:
            fill(staging)
            files = _facts(staging)
            model = ModelFolder(
                path=folder,
                format_version=FORMAT_VERSION,
                kind=kind,
                source_language=source_language,
                target_language=target_language,
                settings=dict(settings),
                training=dict(training),
                files=files,
            )
            _move_into_place(staging, model)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    except OSError as error:
        raise explain_os_error(error, folder) from error
    return model


def _facts(folder: Path) -> dict[str, FileFacts]:
    """Size and hash of every file in a folder, each brought safely to the disk."""
    files: dict[str, FileFacts] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb+") as file:
            os.fsync(file.fileno())
        name = path.relative_to(folder).as_posix()
        assert name.split("/")[0] not in (_MODEL, _SCORES, _TRAINING)
        files[name] = FileFacts(size=path.stat().st_size, sha256=hash_file(path))
    return files


def _move_into_place(staging: Path, model: ModelFolder) -> None:
    old = _facts_on_disk(model.path)
    changed = [name for name, facts in model.files.items() if old.get(name) != facts]
    dropped = [name for name in old if name not in model.files]
    if changed or dropped:
        (model.path / _MODEL).unlink(missing_ok=True)
        (model.path / _SCORES).unlink(missing_ok=True)
    for name in changed:
        (model.path / name).parent.mkdir(parents=True, exist_ok=True)
        (staging / name).replace(model.path / name)
    for name in dropped:
        (model.path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # where something is left in it, as at the top
            os.removedirs((model.path / name).parent)
    write_json(model.path / _MODEL, model.model_dump(mode="json"))


def _facts_on_disk(folder: Path) -> dict[str, FileFacts]:
    """The files of the model that is there, as they are; nothing if there is none."""
    try:
        old = open_model_folder(folder)
        old.verify()
    except UserError:
        return {}
    return dict(old.files)


def open_model_folder(path: Path) -> ModelFolder:
    """Open a model folder after a quick check that it is complete.

    Checked are the version of the layout, that every file is there and has its size, and the
    SHA-256 of the small ones (up to 8 MiB). Raises UserError that says what is missing or damaged,
    or where else a model is if ``path`` is not one.
    """
    if not (path / _MODEL).is_file():
        raise _not_a_model_folder(path)
    where = str(path / _MODEL)
    content = _read_json(path / _MODEL)
    version = content.get("format_version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > FORMAT_VERSION:
        raise UserError(
            f"format version {version} is newer than this program, which knows {FORMAT_VERSION}",
            where=where,
            mend="upgrade with: pip install --upgrade bitext-nmt",
        )
    try:
        model = ModelFolder.model_validate({**content, "path": path})
    except (TypeError, ValidationError) as error:
        reasons = (
            [
                f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
                for problem in error.errors()
            ]
            if isinstance(error, ValidationError)
            else ["not an object"]
        )
        raise UserError(
            f"not the description of a model ({'; '.join(reasons)})", where=where, mend=COPY_AGAIN
        ) from error
    _check_files(model, largest_hashed=_SMALL_FILE_BYTES)
    return model


COPY_AGAIN: Final = "copy the model folder again from where it came, or train again"
"""How to mend a model folder of which something is missing or wrong."""


def _check_files(model: ModelFolder, *, largest_hashed: int | None) -> None:
    errors: list[UserError] = []
    for name, facts in model.files.items():
        path = model.path / name
        problem: str | None = None
        try:
            size = path.stat().st_size
            if size != facts.size:
                problem = (
                    f"damaged: {size:,} bytes, where the model was written with {facts.size:,}"
                )
            elif (largest_hashed is None or size <= largest_hashed) and (
                hash_file(path) != facts.sha256
            ):
                problem = "damaged: its content is not what the model was written with"
        except FileNotFoundError:
            problem = "missing from the model folder"
        except OSError as error:
            problem = f"cannot read: {error.strerror or error}"
        if problem:
            errors.append(UserError(problem, where=str(path)))
    if errors:
        errors[-1].mend = COPY_AGAIN
        raise UserErrors(errors) if len(errors) > 1 else errors[0]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", where=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"not JSON ({error})", where=str(path), mend=COPY_AGAIN) from error


def _not_a_model_folder(path: Path) -> UserError:
    """Say what ``path`` is instead, and which models are near."""
    if path.is_file():
        if (path.parent / _MODEL).is_file():
            return UserError(
                "this is a file of a model", where=str(path), mend=f"give its folder: {path.parent}"
            )
        return UserError("this is a file; a model is a folder", where=str(path))
    if not path.is_dir():
        near = _models_in(path.parent)
        return UserError("no such folder", where=str(path), mend=_did_you_mean(near))
    if found := _models_in(path):
        what = "this is not a model folder (it has no model.json), but it has some in it"
        return UserError(what, where=str(path), mend=_did_you_mean(found))
    if (path / _TRAINING).is_dir():
        return UserError(
            "no model here yet (no model.json): its training is not finished",
            where=str(path),
            mend="continue it with the nmt-train command that began it",
        )
    return UserError(
        "this is not a model folder: it has no model.json",
        where=str(path),
        mend="give the folder that nmt-train names at its end, such as runs/RECIPE/SYSTEM",
    )


def _models_in(folder: Path) -> list[Path]:
    try:
        return sorted(found.parent for found in folder.glob(f"*/{_MODEL}"))
    except OSError:
        return []


def _did_you_mean(models: list[Path]) -> str | None:
    return f"did you mean {' or '.join(map(str, models[:8]))}?" if models else None
