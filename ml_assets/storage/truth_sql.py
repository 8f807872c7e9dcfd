"""The truth of answered rows in SQL, of the same kind as the log's answers."""

from ml_assets.core.feature_query import quoted
from ml_assets.core.problem import Problem


def truth_sql(problem: Problem, alias: str) -> str:
    """Return SQL for the truth as the log holds answers: a number, or a class as text.

    A column of whole numbers with gaps would come out of SQL as floats, whose text is another one.
    """
    kind = "DOUBLE" if problem.task == "regression" else "VARCHAR"
    return f"{alias}.{quoted(problem.label.column)}::{kind}"
