"""From matplotlib's SVG to SVG that lives in the page: its colours, its font, nothing inline.

The page forbids ``style`` attributes (its content security policy names every style by its hash),
so styles become attributes; colours become CSS variables, which follow light and dark.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Final

_SVG: Final = "{http://www.w3.org/2000/svg}"
_HREF: Final = "{http://www.w3.org/1999/xlink}href"
_DROPPED: Final = {f"{_SVG}metadata", f"{_SVG}style", f"{_SVG}title"}
_FONT_SIZE: Final = re.compile(r"([\d.]+)px")
_REFERENCE: Final = re.compile(r"#([\w.-]+)")
_TEXT_STYLES: Final = {"font-size", "text-anchor", "font-weight"}


def for_page(svg: str, name: str, label: str, variables: Mapping[str, str]) -> str:
    """Turn a figure that matplotlib wrote into markup for the page.

    Args:
        svg: the file's text; with ``svg.fonttype: none``, so that text is text.
        name: tells its ids from those of other figures.
        label: what it shows, for those who do not see it.
        variables: colours as matplotlib writes them, to CSS variables such as ``--ink``.
    """
    root = ET.fromstring(svg)
    for element in root.iter():
        for child in [child for child in element if child.tag in _DROPPED]:
            element.remove(child)
        _style_to_attributes(element, variables)
        if _HREF in element.attrib:
            element.set("href", element.attrib.pop(_HREF))
    _name_ids(root, name)
    for attribute in ("width", "height", "version"):
        root.attrib.pop(attribute, None)
    root.set("role", "img")
    root.set("aria-label", label)
    root.set("stroke-linejoin", "round")
    ET.register_namespace("", _SVG.strip("{}"))
    return ET.tostring(root, encoding="unicode")


def _style_to_attributes(element: ET.Element, variables: Mapping[str, str]) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if key == "font":
            size = _FONT_SIZE.search(value)
            key, value = "font-size", size[1] if size else "12"
        if element.tag in (f"{_SVG}text", f"{_SVG}tspan") and key not in _TEXT_STYLES:
            if key == "fill":
                element.set(key, _colour(value, variables))
            continue
        if key:
            element.set(key, _colour(value, variables))


def _colour(value: str, variables: Mapping[str, str]) -> str:
    variable = variables.get(value.lower())
    return f"var({variable})" if variable else value


def _name_ids(root: ET.Element, name: str) -> None:
    """Keep the ids that are referred to, and make them the page's only ones of that name."""
    used = {
        found
        for element in root.iter()
        for key in ("href", "clip-path", "fill")
        for found in _REFERENCE.findall(element.get(key, ""))
    }
    for element in root.iter():
        if element.get("id") in used:
            element.set("id", f"{name}-{element.get('id')}")
        else:
            element.attrib.pop("id", None)
        for key in ("href", "clip-path", "fill"):
            if "#" in element.get(key, ""):
                element.set(key, _REFERENCE.sub(rf"#{name}-\1", element.attrib[key]))
