"""Make matplotlib's SVG fit into a page: no namespaces, no style that leaks, a third of the bytes.

Several pictures share one page, so the few ids that are needed carry a mark of their own.
"""

import re
from xml.etree import ElementTree as ET

_REFERENCE = re.compile(r"#([\w.-]+)")
_NUMBER = re.compile(r"-?\d+\.\d+")
_FONT_FAMILY = re.compile(r"font-family: [^;]+; ?")
_LONE_ROTATION = re.compile(r"^rotate\(-?0 .*\)$")
_REFERRING = ("href", "clip-path")
_GEOMETRY = ("d", "x", "y", "width", "height", "transform")


def compact(svg: str, *, mark: str) -> str:
    """Return what is inside matplotlib's ``<svg>``, cleaned; ids start with ``mark``."""
    root = ET.fromstring(svg)  # noqa: S314  # the drawing library wrote it, not a stranger
    _strip_namespaces(root)
    _drop_unseen(root)
    _mark_ids(root, mark)
    for element in root.iter():
        _shorten(element)
    _unwrap_groups(root)
    text = "".join(ET.tostring(child, encoding="unicode") for child in root)
    return re.sub(r">\s+<", "><", text).strip()


def _strip_namespaces(root: ET.Element) -> None:
    for element in root.iter():
        element.tag = _local(element.tag)
        element.attrib = {_local(name): value for name, value in element.attrib.items()}


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _drop_unseen(root: ET.Element) -> None:
    # matplotlib's `<style>*{...}</style>` would apply to the whole page.
    for parent in list(root.iter()):
        for child in list(parent):
            empty_path = child.tag == "path" and child.get("style") == "fill: none"
            if empty_path or child.tag in {"style", "metadata"}:
                parent.remove(child)


def _mark_ids(root: ET.Element, mark: str) -> None:
    referring = [
        (element, name) for element in root.iter() for name in _REFERRING if name in element.attrib
    ]
    used = {
        target for element, name in referring for target in _REFERENCE.findall(element.attrib[name])
    }
    for element, name in referring:
        element.set(name, _REFERENCE.sub(rf"#{mark}\1", element.attrib[name]))
    for element in root.iter():
        target = element.attrib.pop("id", None)
        if target in used:
            element.set("id", f"{mark}{target}")


def _shorten(element: ET.Element) -> None:
    for name in _GEOMETRY:
        if name in element.attrib:
            rounded = _NUMBER.sub(lambda found: f"{float(found[0]):.4g}", element.attrib[name])
            element.set(name, " ".join(rounded.split()))
    if _LONE_ROTATION.match(element.get("transform", "")):
        del element.attrib["transform"]
    if "style" in element.attrib:
        element.set("style", _FONT_FAMILY.sub("", element.attrib["style"]))


def _unwrap_groups(element: ET.Element) -> None:
    children: list[ET.Element] = []
    for child in element:
        _unwrap_groups(child)
        if child.tag in {"g", "defs"} and not len(child):
            continue
        if child.tag == "g" and not child.attrib:
            children.extend(child)
        else:
            children.append(child)
    element[:] = children
