"""Opening model folders: which code loads which kind of system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal

from nmt.errors import UserError, UserErrors
from nmt.model_folder import open_model_folder
from nmt.neural.backends.choice import Backend, Precision, choose_backend, load_with
from nmt.search_options import SearchOptions
from nmt.translator import Translator

Device = Literal["auto", "cpu", "cuda"]
"""Where to compute; ``auto`` takes the GPU if there is one."""


def load(
    path: str | Path | Sequence[str | Path],
    *,
    device: Device = "auto",
    backend: Backend = "auto",
    precision: Precision | None = None,
    options: SearchOptions | None = None,
    provider: str | None = None,
) -> Translator:
    """Open a model folder, of whichever kind of system.

    Several paths, of neural systems of the same pieces, give one translator that averages what
    they predict (an ensemble); it searches with the settings of the first.

    On the CPU PyTorch is set up for the whole process: a thread an operation (sentences are shared
    out among the cores instead), and the quicker of its libraries for matrix products. Where a
    neural system translates for more than a moment, it starts a process for each core.

    Args:
        path: the folder, or several.
        device: where to compute.
        backend: which program computes; ``auto`` takes the quickest that is installed and can do
            what ``options`` ask for.
        precision: in what to compute; None takes what the weights are kept in.
        options: what searches will be asked for, as far as it is known.
        provider: for the backend ``onnx``, ONNX Runtime's name of an execution provider, such as
            ``TensorrtExecutionProvider``; None goes by the device.

    Raises UserError if it is not one, if something of it is missing or damaged, if the device is
    not there, or if the backend is not installed or cannot compute this model.
    """
    if not isinstance(path, str | Path):
        paths = [Path(one) for one in path]
        if len(paths) > 1:
            return _load_together(paths, device, backend, precision)
        if not paths:
            raise UserError("no model to load", mend="give the path of one, or of several")
        path = paths[0]
    folder = open_model_folder(Path(path))
    chosen = choose_backend(folder, backend, device=device, precision=precision, options=options)
    if chosen != "native":
        return load_with(folder, chosen, device=device, precision=precision, provider=provider)
    if precision not in (None, "float32") and folder.kind not in _NEURAL:
        raise UserError(
            f"systems of kind {folder.kind} do not compute in {precision}",
            where=str(folder.path),
            mend="leave --precision out",
        )
    match folder.kind:
        case "transformer" | "recurrent":
            from nmt.neural.system import load_neural

            return load_neural(folder, device, precision=precision)
        case "ensemble":
            from nmt.neural.ensemble import load_ensemble

            return load_ensemble(folder, device, precision=precision)
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


_NEURAL: Final = ("transformer", "recurrent", "ensemble")
"""Kinds of systems whose predictions can be computed in other types than they were trained in."""


def _load_together(
    paths: Sequence[Path], device: Device, backend: Backend, precision: Precision | None
) -> Translator:
    """One translator of several models; raises UserErrors for those that do not go together."""
    if backend not in ("auto", "native"):
        raise UserError(
            f"the backend {backend} does not translate with several models together",
            mend="leave --backend out",
        )
    from nmt.neural.ensemble import join
    from nmt.neural.system import NeuralTranslator

    members: dict[str, NeuralTranslator] = {}
    errors = []
    for path in paths:
        member = load(path, device=device, backend="native", precision=precision)
        if not isinstance(member, NeuralTranslator):
            errors.append(UserError("not a neural system: it predicts no pieces", where=str(path)))
        elif str(path) in members:
            errors.append(UserError("the same model a second time", where=str(path)))
        else:
            members[str(path)] = member
    if errors:
        errors[-1].mend = "an ensemble is of different neural models"
        raise UserErrors(errors)
    return join(members)
