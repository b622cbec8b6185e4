"""The process in which `nmt.benchmark.speed` measures: one core, one model, nothing else.

``python -m nmt.benchmark.speed_process REQUEST RESULT``, both files of JSON.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

_WARM_UP_SENTENCES: Final = 20


def stay_on_one_core() -> None:
    """Let this process use one core only, where the system can; to be done before any import that
    sizes a pool of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Translate sentences with a model after warm-up, as many as fit into about so many seconds."""
    from nmt.memory import peak_memory
    from nmt.systems import load

    translator = load(request["model"], device="cpu")
    sentences = request["sentences"]
    first = sentences[:_WARM_UP_SENTENCES]
    translator.translate(first)  # compiles, and reads what is mapped
    began = time.process_time()
    translator.translate(first)
    rate = len(first) / max(time.process_time() - began, 1e-9)
    measured = sentences[: max(len(first), int(rate * request["seconds"]))]
    began = time.process_time()
    translator.translate(measured)
    seconds = max(time.process_time() - began, 1e-9)
    return {
        "sentences_per_second": len(measured) / seconds,
        "num_sentences": len(measured),
        "memory_bytes": peak_memory(),
    }


def main() -> None:
    """Answer the request."""
    stay_on_one_core()
    request, result = map(Path, sys.argv[1:3])
    found = measure(json.loads(request.read_text(encoding="utf-8")))
    result.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
