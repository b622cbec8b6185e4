"""Reading the pocket corpus' data files: tables, and YAML."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from nmt.errors import UserError


def data_folder() -> Path:
    """The folder of the lexicon and the grammar.

    Raises UserError if the installation lacks it.
    """
    package = Path(str(files("nmt.corpus"))).parent
    # The wheel has it inside of the package; a checkout (editable install) beside it.
    for folder in (package / "data" / "pocket", package.parent / "data" / "pocket"):
        if folder.is_dir():
            return folder
    raise UserError(
        "the pocket corpus' lexicon is missing", where=str(package), mend="install nmt again"
    )


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a tab-separated table; lines that begin with # are comments.

    The first other line names the columns; cells at the end of a row may be left out.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    columns, rows = rows[0], rows[1:]
    return [dict(zip(columns, [*row, *[""] * len(columns)], strict=False)) for row in rows]


def read_yaml(path: Path) -> Any:
    """The value of a YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))
