"""The declaration as a JSON schema whose errors name the place, what was expected and the nearest.

``dg check yaml`` and editors know the declaration by this schema alone. pydantic's own would do
to tell right from wrong. It is written otherwise where an error of it would say little:

- an unknown field is an error at its own line, and names the field that was probably meant;
- so does a wrong choice;
- a union is asked by its tag or its type first, so that an error names the field inside;
- a duration says how one is written.

A schema cannot compute a message. ``const`` is used for its error: ``'...' was expected``.
"""

import re
from collections.abc import Sequence
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

# ISO 8601, as pydantic reads it.
DURATION = (
    r"^[+-]?P(?=[0-9T])([0-9.]+Y)?([0-9.]+M)?([0-9.]+W)?([0-9.]+D)?"
    r"(T(?=[0-9])([0-9.]+H)?([0-9.]+M)?([0-9.]+S)?)?$"
)
SHORTEST_START = 4  # letters that a name has in common with the one that was meant


class DeclarationSchema(GenerateJsonSchema):
    """Writes the schema of a declaration."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """Let no unknown field pass, each with an error of its own."""
        written = super().model_schema(schema)
        if written.pop("additionalProperties", None) is False:
            names = list(written.get("properties", {}))
            listed = ", ".join(repr(name) for name in sorted(names))
            written["patternProperties"] = {
                slip: {"const": f"the field {name!r}"} for name, slip in slips(names).items()
            }
            written["additionalProperties"] = {"const": f"one of the fields {listed}"}
        return written

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """Name the choice that was probably meant, or all."""
        written = super().literal_schema(schema)
        return _choice(written.pop("enum"), written) if "enum" in written else written

    def tagged_union_schema(self, schema: core_schema.TaggedUnionSchema) -> JsonSchemaValue:
        """Ask for the tag first, and then for the fields that belong to it."""
        tag = schema["discriminator"]
        if not isinstance(tag, str):
            return super().tagged_union_schema(schema)
        chosen = {str(name): self.generate_inner(one) for name, one in schema["choices"].items()}
        return {
            "type": "object",
            "required": [tag],
            "properties": {tag: _choice(list(chosen), {"type": "string"})},
            "allOf": [
                {"if": {"properties": {tag: {"const": name}}, "required": [tag]}, "then": inner}
                for name, inner in chosen.items()
            ],
        }

    def union_schema(self, schema: core_schema.UnionSchema) -> JsonSchemaValue:
        """Tell the choices apart by their JSON type, where each has another."""
        choices = [one[0] if isinstance(one, tuple) else one for one in schema["choices"]]
        written = [self.generate_inner(one) for one in choices]
        types = [self.resolve_ref_schema(one).get("type") for one in written]
        if None in types or len(set(types)) < len(types):
            return super().union_schema(schema)
        chosen = zip(types, written, strict=True)
        return {
            "type": types,
            "allOf": [{"if": {"type": kind}, "then": one} for kind, one in chosen],
        }

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """Ask what is not null for what it should be."""
        return {"if": {"type": "null"}, "else": self.generate_inner(schema["schema"])}

    def timedelta_schema(self, schema: core_schema.TimedeltaSchema) -> JsonSchemaValue:
        """Say how a duration is written."""
        return {
            "type": "string",
            "format": "duration",
            "if": {"pattern": DURATION},
            "else": {"const": "a duration such as PT1H, PT30M or P7D"},
        }


def slips(names: Sequence[str]) -> dict[str, str]:
    """Return, for each name, a pattern of what was probably typed for it.

    That is: the name with one letter missing, too many, wrong, or two of them swapped
    (Damerau, 1964, found four in five misspellings to be one of these); or a longer or shorter
    name that starts alike, where no other name does.

    Example:
        >>> pattern = slips(["search", "name"])["search"]
        >>> [bool(re.search(pattern, typed)) for typed in ("serach", "searching", "search", "ame")]
        [True, True, False, False]
    """
    right = "|".join(re.escape(name) for name in names)
    return {
        name: f"^(?!(?:{right})$)(?:{'|'.join([_one_slip(name), *_starts(name, names)])})$"
        for name in names
    }


def _one_slip(name: str) -> str:
    """Return the pattern of one slip, the longest common start written once."""
    pattern = "."  # one letter too many at the end
    for place in reversed(range(len(name))):
        letter, rest = re.escape(name[place]), re.escape(name[place + 1 :])
        ways = [f".?{rest}", f".{letter}{rest}", f"{letter}{pattern}"]
        if place + 1 < len(name):
            after = re.escape(name[place + 2 :])
            ways.append(f"{re.escape(name[place + 1])}{letter}{after}")
        pattern = f"(?:{'|'.join(ways)})"
    return pattern


def _starts(name: str, names: Sequence[str]) -> list[str]:
    start = name[:SHORTEST_START]
    alone = sum(other.startswith(start) for other in names) == 1
    return [f"{re.escape(start)}.*"] if alone and len(start) == SHORTEST_START else []


def _choice(choices: list[Any], written: JsonSchemaValue) -> JsonSchemaValue:
    """Return a schema of one of several texts: the nearest is named where there is one."""
    texts = [one for one in choices if isinstance(one, str)]
    asked: JsonSchemaValue = {"enum": choices}
    for name, slip in slips(texts).items():
        asked = {"if": {"type": "string", "pattern": slip}, "then": {"const": name}, "else": asked}
    return {**written, **asked}
