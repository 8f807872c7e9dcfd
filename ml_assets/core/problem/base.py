"""What every part of a declaration has in common."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from ml_assets.core.errors import nearest


def _name_the_valid_fields(schema: dict[str, Any]) -> None:
    # `dg check yaml` reads the JSON schema: this form makes its error list the valid names.
    if schema.pop("additionalProperties", None) is False:
        schema["propertyNames"] = {"enum": sorted(schema.get("properties", {}))}


class Declaration(BaseModel):
    """Part of a problem: read once, never changed, nothing unknown in it."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_name_the_valid_fields)

    @model_validator(mode="before")
    @classmethod
    def _suggest_for_unknown_fields(cls, declared: Any) -> Any:  # noqa: ANN401
        if isinstance(declared, Mapping):
            for name in declared:
                if name not in cls.model_fields:
                    message = f"Unknown field {name!r}. {nearest(str(name), cls.model_fields)}"
                    raise ValueError(message)
        return declared


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
