"""Models from elsewhere as model folders: to translate with, to export, to train on."""

from __future__ import annotations

from pathlib import Path

from nmt.errors import UserError
from nmt.model_folder import ModelFolder, write_model_folder
from nmt.neural.export.export import refuse_overwriting
from nmt.neural.importing.huggingface_folder import is_huggingface, read_huggingface
from nmt.neural.importing.marian_folder import is_marian, read_marian
from nmt.neural.importing.parts import ImportedModel
from nmt.neural.model.transformer import Transformer
from nmt.neural.system import TOKENIZER
from nmt.neural.weights import WEIGHTS, save_weights, set_weights


def import_model(
    folder: Path,
    output: Path,
    *,
    source_language: str | None = None,
    target_language: str | None = None,
) -> ModelFolder:
    """Make a model folder of a MarianMT folder or of Marian's own files.

    Args:
        folder: what Hugging Face's hub or OPUS-MT gives, unpacked.
        output: the new model folder.
        source_language: its language code, if the files do not say it, or otherwise.
        target_language: the same of the target.

    Raises:
        UserError: something is missing, damaged, or of a kind that has no place here; ``output``
            cannot be written.
    """
    if not folder.is_dir():
        raise UserError("no such folder", where=str(folder))
    refuse_overwriting(folder, output)
    imported = _read(folder)
    languages = []
    given = (source_language, target_language)
    for side, code, found in zip(("source", "target"), given, imported.languages, strict=True):
        if not (code or found):
            raise UserError(
                f"the files do not say what the {side} language is",
                where=str(folder),
                mend=f"give its code: --{side}-language CODE",
            )
        languages.append(code or found)
    model = Transformer(imported.architecture)
    set_weights(model, imported.weights, where=str(folder))

    def fill(staging: Path) -> None:
        save_weights(model, staging / WEIGHTS)
        imported.tokenizers.save(staging / TOKENIZER)

    return write_model_folder(
        output,
        kind="transformer",
        source_language=str(languages[0]),
        target_language=str(languages[1]),
        settings={
            "architecture": imported.architecture.to_json(),
            "search": imported.search.model_dump(mode="json"),
            "max_source_pieces": None,
        },
        training={"imported_from": folder.resolve().name},
        fill=fill,
    )


def _read(folder: Path) -> ImportedModel:
    if is_huggingface(folder):
        return read_huggingface(folder)
    if is_marian(folder):
        return read_marian(folder)
    raise UserError(
        "neither a config.json, as of Hugging Face, nor an .npz with a decoder.yml, as of Marian",
        where=str(folder),
        mend="unpack the model's archive, and give the folder that these files are in",
    )
