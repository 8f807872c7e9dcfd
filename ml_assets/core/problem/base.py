"""What every part of a declaration has in common."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import InitErrorDetails

from ml_assets.core.errors import nearest
from ml_assets.core.problem.schema import DeclarationSchema


class Declaration(BaseModel):
    """Part of a problem: read once, never changed, nothing unknown in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return the schema whose errors name what was probably meant."""
        kwargs.setdefault("schema_generator", DeclarationSchema)
        return super().model_json_schema(*args, **kwargs)

    @model_validator(mode="before")
    @classmethod
    def _suggest_for_unknown_fields(cls, declared: Any) -> Any:  # noqa: ANN401
        if not isinstance(declared, Mapping):
            return declared
        unknown = [str(name) for name in declared if name not in cls.model_fields]
        if unknown:
            faults = {
                name: f"Unknown field {name!r}. {nearest(name, cls.model_fields)}"
                for name in unknown
            }
            raise faults_at(faults)
        return declared


def faults_at(faults: Mapping[str, str]) -> ValidationError:
    """Return an error that bears each field's own place, so that the line shown is the field's."""
    return ValidationError.from_exception_data(
        "Declaration",
        [
            InitErrorDetails(
                type="value_error", loc=(field,), input=field, ctx={"error": ValueError(said)}
            )
            for field, said in faults.items()
        ],
    )


def _positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        message = f"A duration above zero is needed, such as PT1H or P7D; found {value}."
        raise ValueError(message)
    return value


def _not_negative(value: timedelta) -> timedelta:
    if value < timedelta(0):
        message = f"A duration of zero or more is needed, such as PT1H or P7D; found {value}."
        raise ValueError(message)
    return value


PositiveDuration = Annotated[timedelta, AfterValidator(_positive)]
Duration = Annotated[timedelta, AfterValidator(_not_negative)]
