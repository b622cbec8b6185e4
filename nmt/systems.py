"""Opening model folders: which code loads which kind of system."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from nmt.errors import UserError
from nmt.model_folder import open_model_folder
from nmt.translator import Translator

Device = Literal["auto", "cpu", "cuda"]
"""Where to compute; ``auto`` takes the GPU if there is one."""


def load(path: str | Path, *, device: Device = "auto") -> Translator:
    """Open a model folder, of whichever kind of system.

    On the CPU PyTorch is set up for the whole process: a thread an operation (sentences are shared
    out among the cores instead), and the quicker of its libraries for matrix products.

    Raises UserError if it is not one, if something of it is missing or damaged, or if the device is
    not there.
    """
    folder = open_model_folder(Path(path))
    match folder.kind:
        case "transformer" | "recurrent":
            from nmt.neural.system import load_neural

            return load_neural(folder, device)
        case "phrase-based":  # computes on the CPU, wherever others compute
            from nmt.statistical.system import load_phrase_based

            return load_phrase_based(folder)
        case "word-by-word":
            from nmt.statistical.word_by_word.system import load_word_by_word

            return load_word_by_word(folder)
        case unknown:
            raise UserError(
                f"systems of kind {unknown!r} are not known here",
                where=str(folder.path),
                mend="upgrade with: pip install --upgrade bitext-nmt",
            )
