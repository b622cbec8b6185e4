"""Take the README's picture of a report: its first screen, down to the typical sentence.

Needs playwright (the extra ``test``) and Debian's chromium. With the font Inter (``fonts-inter``)
the picture looks as it does for most readers.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from nmt.errors import UserError
from nmt.files import replacing_file

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 1280
MARGIN = 12


def take_picture(report: Path, output: Path, *, dark: bool, scale: float) -> None:
    """Open a report and keep what is above its tables as PNG.

    Raises UserError if there is no browser, or if the report has no such part.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise UserError("there is no chromium here", mend="on Debian: apt-get install chromium")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 900},
            device_scale_factor=scale,
            color_scheme="dark" if dark else "light",
        )
        page.goto(report.resolve().as_uri())
        typical = page.locator(".typical")
        box = typical.first.bounding_box() if typical.count() else None
        if box is None:
            raise UserError("this report has no typical sentence", where=str(report))
        picture = page.screenshot(
            full_page=True,
            clip={"x": 0, "y": 0, "width": WIDTH, "height": box["y"] + box["height"] + MARGIN},
        )
        browser.close()
    with replacing_file(output) as temporary:
        temporary.write_bytes(picture)


def main(
    report: Annotated[Path, typer.Argument(help="The report, such as runs/RECIPE/report.html.")],
    output: Annotated[Path, typer.Option(help="The picture.")] = ROOT / "docs" / "report.png",
    dark: Annotated[bool, typer.Option("--dark", help="In dark colours.")] = False,
    scale: Annotated[float, typer.Option(help="Picture points for each point of the page.")] = 1.5,
) -> None:
    """Take the picture."""
    try:
        take_picture(report, output, dark=dark, scale=scale)
    except UserError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from error
    print(f"wrote {output}")


if __name__ == "__main__":
    typer.run(main)
