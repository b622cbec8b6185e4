"""How fast a model translates on one core, and in how much memory: in a process of its own."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from nmt.benchmark.sentences import model_identity
from nmt.errors import UserError
from nmt.files import build_once, hash_value, write_json
from nmt.machine import describe_machine
from nmt.model_folder import ModelFolder

_VERSION: Final = 1
"""Raised when the way of measuring changes."""
_MOST_SENTENCES: Final = 1000
_SECONDS: Final = 10.0
"""Processor seconds that a measurement may take, about."""
_RESULT: Final = "speed.json"
_ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
}  # fmt: skip
"""For systems where a process cannot be kept to a core; libraries read it when they are loaded."""


class Speed(BaseModel):
    """What was measured."""

    model_config = ConfigDict(frozen=True)

    sentences_per_second: float
    """Text to text, after warm-up, in seconds of the processor: those of others do not count."""
    num_sentences: int
    """Sentences translated in the measurement."""
    memory_bytes: int | None
    """Largest resident memory of the process, the interpreter and its libraries included."""


def choose_sentences(sources: Iterable[str]) -> list[str]:
    """Different sentences of the test sets, drawn and shuffled by a fixed seed, 1,000 at most.

    Different ones, since a text that comes twice is searched once.
    """
    different = [line for line in dict.fromkeys(sources) if line.strip()]
    return random.Random(1).sample(different, min(_MOST_SENTENCES, len(different)))


def measure_speed(
    model: ModelFolder, sentences: Sequence[str], *, cache: Path, seconds: float = _SECONDS
) -> Speed:
    """Measure, or take from ``cache`` what was measured of this model on this kind of machine.

    Raises UserError if the process that measures comes to a bad end.
    """
    inputs = {
        "version": _VERSION,
        "model": model_identity(model),
        "sentences": hash_value(list(sentences)),
        "seconds": seconds,
        "machine": describe_machine("one CPU core", "torch", "numba"),
    }

    def build(folder: Path) -> None:
        request = folder / "request.json"
        asked = {
            "model": str(model.path.resolve()), "sentences": list(sentences), "seconds": seconds,
        }  # fmt: skip
        write_json(request, asked)
        done = subprocess.run(
            [sys.executable, "-m", "nmt.benchmark.speed_process", request, folder / _RESULT],
            env={**os.environ, **_ONE_THREAD},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["nothing was said"])[-1]
            raise UserError(
                f"the process that measures its speed ended with code {done.returncode}: {last}",
                where=str(model.path),
                mend="--no-speed leaves the measurement out",
            )
        request.unlink()

    folder = build_once(cache, "speed", inputs, build)
    return Speed.model_validate_json((folder / _RESULT).read_bytes())
