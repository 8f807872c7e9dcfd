"""Whether a class can be imported, judged by the files of its package and without importing it.

Definitions load in every run and every code server: importing scikit-learn there would cost each of
them seconds. What the files do not tell is left to ``core.candidates``, which imports.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules

from ml_assets.core.errors import nearest

# A module that uses one of these may bring modules, or names, that its text does not show.
MAKES_MODULES = {"__path__", "exec", "modules"}
MAKES_NAMES = {*MAKES_MODULES, "*", "__getattr__", "globals", "locals", "setattr", "vars"}


def import_fault(path: str) -> str | None:
    """Return why a class cannot be imported, and the nearest that can.

    Args:
        path: Import path of a class.

    Returns:
        None if it can be imported, as far as the files tell.

    Example:
        >>> import_fault("sklearn.linear_model.Rigde")
        "There is no 'Rigde' in sklearn.linear_model. Did you mean 'Ridge'?"
        >>> import_fault("sklearn.linear_models.Ridge")
        "There is no module 'sklearn.linear_models'. Did you mean 'linear_model'?"
    """
    module, _, name = path.rpartition(".")
    top, *inner = module.split(".")
    spec = find_spec(top)
    if spec is None:
        close = get_close_matches(top, [found.name for found in iter_modules()], n=1)
        advice = f"Did you mean {close[0]!r}? If not, install" if close else "Install"
        return f"There is no module {top!r}. {advice} the package that holds it."
    for part in inner:
        found = _inside(spec, part)
        if found is None:
            return _no_module(spec, part)
        spec = found
    return _no_name(spec, name)


def _inside(package: ModuleSpec, part: str) -> ModuleSpec | None:
    places = list(package.submodule_search_locations or [])
    name = f"{package.name}.{part}"
    try:
        return PathFinder.find_spec(name, places)
    except KeyError:
        # A folder without __init__.py looks for its parent among the modules that are imported.
        folder = ModuleSpec(name, None, is_package=True)
        folder.submodule_search_locations = [str(Path(place, part)) for place in places]
        return folder


def _no_module(package: ModuleSpec, part: str) -> str | None:
    name, text = f"{package.name}.{part}", _text(package)
    if name in sys.modules or text is None or not MAKES_MODULES.isdisjoint(text.uses):
        return None
    if package.submodule_search_locations is None:
        return f"There is no module {name!r}: {package.name} is a module without modules in it."
    siblings = [found.name for found in iter_modules(package.submodule_search_locations)]
    return f"There is no module {name!r}. {nearest(part, siblings)}"


def _no_name(module: ModuleSpec, name: str) -> str | None:
    text = _text(module)
    if text is None or name in text.names or not MAKES_NAMES.isdisjoint(text.uses):
        return None
    classes = sorted(known for known in text.names if known[:1].isupper())
    if _inside(module, name) is not None:
        return f"{module.name}.{name} is a module. Name a class in it."
    return f"There is no {name!r} in {module.name}. {nearest(name, classes)}"


@dataclass(frozen=True)
class _Text:
    """What the text of a module tells.

    Attributes:
        names: What it defines or imports at its top level.
        uses: Every name and attribute in it, the names included.
    """

    names: frozenset[str]
    uses: frozenset[str]


def _text(module: ModuleSpec) -> _Text | None:
    """Read a module's text; None if it is compiled, or a folder without one."""
    if not isinstance(module.loader, SourceFileLoader):
        return None
    source = module.loader.get_source(module.name)
    if source is None:
        return None
    tree = ast.parse(source, filename=str(module.origin))
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names = frozenset(_names(tree))
    return _Text(names, names | used)


def _names(node: ast.AST) -> Iterator[str]:
    """Yield the names bound by a statement and what stands in it, functions and classes apart."""
    match node:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name
            for inner in ast.walk(node):
                if isinstance(inner, ast.Global):
                    yield from inner.names
            return
        case ast.Import(names=imported) | ast.ImportFrom(names=imported):
            for one in imported:
                yield one.asname or one.name.partition(".")[0]
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.Assign(targets=[ast.Name(id="__all__")], value=listed):
            # What is offered but not defined is made on demand.
            yield from (
                item.value
                for item in ast.walk(listed)
                if isinstance(item, ast.Constant) and isinstance(item.value, str)
            )
        case _:
            pass
    for inner in ast.iter_child_nodes(node):
        yield from _names(inner)
