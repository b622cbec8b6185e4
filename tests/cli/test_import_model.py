"""nmt-import as a user runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import nmt
from nmt.cli.import_model import main
from tests.neural.importing.marian_models import SOURCE, make_marian


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_marian(tmp_path / "marian")
    return tmp_path / "marian"


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["nmt-import", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def test_a_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = folder.parent / "model"
    assert run(monkeypatch, folder, "-o", output, "--target-language", "nl") == 0
    said = capsys.readouterr().out
    assert "en to nl, 2 + 2 layers, width 16" in said
    assert f"nmt-translate {output}" in said
    assert len(nmt.load(output, device="cpu").translate(SOURCE[:3], beam=1)) == 3
    assert run(monkeypatch, folder, "-o", folder) == 2
    assert "the model itself" in capsys.readouterr().err


def test_what_is_no_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder.parent, "-o", folder.parent / "model") == 2
    assert "unpack the model's archive" in capsys.readouterr().err
    (folder / "tokenizer_config.json").unlink()
    assert run(monkeypatch, folder, "-o", folder.parent / "model") == 2
    assert "--source-language CODE" in capsys.readouterr().err
    assert run(monkeypatch, folder / "nothing", "-o", folder.parent / "model") == 2
    assert "no such folder" in capsys.readouterr().err
