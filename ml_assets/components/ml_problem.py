"""One folder in, one asset graph out."""

from typing import Self

import dagster as dg
from pydantic import BaseModel, ValidationError

from ml_assets.components.graph import problem_graph
from ml_assets.components.scaffolder import MLProblemScaffolder
from ml_assets.core.errors import DeclarationError
from ml_assets.core.problem import Problem
from ml_assets.storage.declared import DeclaredProblem, Field, Place, by_name


@dg.scaffold_with(MLProblemScaffolder)
class MLProblemComponent(dg.Component):
    """A supervised problem, from raw data to a served, watched and renewed model."""

    def __init__(self, declared: DeclaredProblem) -> None:
        self.declared = declared

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """Take the core's own model as the schema of ``attributes``."""
        return Problem

    @classmethod
    def load(cls, attributes: BaseModel | None, context: dg.ComponentLoadContext) -> Self:
        """Fill in ``{{ env('X') }}`` and the like, and read the folder's other two files.

        Raises:
            DeclarationError: If the declaration cannot be used; each fault comes with its line.
        """
        place = _lines(context)
        attributes_set = attributes.model_dump(exclude_unset=True) if attributes else {}
        filled_in = context.resolution_context.resolve_value(attributes_set)
        try:
            problem = Problem.model_validate(filled_in)
        except ValidationError as error:
            # pydantic would show the values, and what was filled in may be secret.
            faults = error.errors(include_url=False, include_input=False)
            message = "\n".join(f"{place(fault['loc'])}: {fault['msg']}" for fault in faults)
            raise DeclarationError(message) from None
        return cls(DeclaredProblem.load(problem, context.path, place))

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Tell the UI what the component makes."""
        return dg.ComponentTypeSpec(produces=["asset", "asset_check", "sensor", "schedule"])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the problem's graph."""
        return problem_graph(self.declared)


def _lines(context: dg.ComponentLoadContext) -> Place:
    """Return what names the file and the line of a field of the YAML."""
    tree = context.resolution_context.source_position_tree
    if tree is None:
        return by_name

    def place(field: Field) -> str:
        # pydantic's places hold the tags of unions, which no line of the YAML bears.
        nearest = tree.children.get("attributes", tree)
        for part in field:
            nearest = nearest.children.get(part, nearest)
        return f"{nearest.position}, {by_name(field)}"

    return place
