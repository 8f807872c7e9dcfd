"""One folder in, one asset graph out."""

from typing import Self

import dagster as dg
from pydantic import BaseModel

from ml_assets.components.graph import problem_graph
from ml_assets.components.scaffolder import MLProblemScaffolder
from ml_assets.core.problem import Problem
from ml_assets.storage.declared import DeclaredProblem


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
        """Fill in ``{{ env('X') }}`` and the like, and read the folder's other two files."""
        attributes_set = attributes.model_dump(exclude_unset=True) if attributes else {}
        problem = Problem.model_validate(context.resolution_context.resolve_value(attributes_set))
        return cls(DeclaredProblem.load(problem, context.path))

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        """Tell the UI what the component makes."""
        return dg.ComponentTypeSpec(produces=["asset", "asset_check", "sensor", "schedule"])

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the problem's graph."""
        return problem_graph(self.declared)
