"""Names that need no quotes in Python, SQL and YAML."""

import keyword
import re
import unicodedata
from collections.abc import Collection, Iterable

# What other parts of the system add to a row, and what pandera's models hold already.
TAKEN = """
event_time known_at label_known_at features labels validated_data config model_config to_schema
to_yaml to_json to_json_schema from_json from_yaml validate example strategy get_metadata empty
pydantic_validate column columns index schema rows value known recent label labelled_at clock
"""
# DuckDB's reserved words, and others that cannot stand alone as a column everywhere.
SQL_WORDS = """
all analyse analyze and any array as asc asymmetric both case cast check collate constraint create
default deferrable desc describe distinct do else end except false fetch for foreign from group
having in initially intersect into lambda lateral leading limit not null offset on only or order
pivot pivot_longer pivot_wider placing primary qualify references select show some summarize
symmetric table then to trailing true union unique unpivot using variadic when where window with
asof at anti cross full glob inner is isnull left like ilike natural notnull outer overlaps
positional right semi similar tablesample try_cast values current_date current_time
current_timestamp user interval grouping overlay position row
"""
AVOIDED = frozenset((TAKEN + SQL_WORDS).split())
# Letters that are no other letter with a mark.
_LETTERS = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
    | {"đ": "d", "Đ": "D", "ð": "d", "þ": "th", "Þ": "Th", "\u0131": "i"}
)


def identifier(name: str) -> str:
    """Return a name in snake case that SQL and Python take as it is.

    Example:
        >>> [identifier(n) for n in ("PT08.S1(CO)", "pm2.5", "HumidityRatio", "windSpeed", "DEWP")]
        ['pt08_s1_co', 'pm2_5', 'humidity_ratio', 'wind_speed', 'dewp']
        >>> [identifier(n) for n in ("Température (°C)", "order", "class", "2nd", "%")]
        ['temperature_c', 'order_value', 'class_value', 'c_2nd', 'unnamed']
        >>> [identifier(n) for n in ("Straße", "Ørsted", "Łódź")]
        ['strasse', 'orsted', 'lodz']
    """
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS))
    plain = letters.encode("ascii", "ignore").decode()
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", plain)
    snake = re.sub(r"[^a-z0-9]+", "_", words.lower()).strip("_") or "unnamed"
    if snake[0].isdigit():
        snake = f"c_{snake}"
    if keyword.iskeyword(snake) or snake in AVOIDED or snake.startswith("baseline_"):
        snake = f"{snake}_value"
    return snake


def identifiers(names: Iterable[str], *, taken: Collection[str] = ()) -> dict[str, str]:
    """Return one identifier a name, all different.

    No name of the file is given to another column: a reader would take the wrong one.

    Args:
        names: Names in the file.
        taken: Identifiers that are not to be given.

    Example:
        >>> identifiers(["T", "t ", "NO2(GT)", "no2_gt"])
        {'T': 't', 't ': 't_2', 'NO2(GT)': 'no2_gt_2', 'no2_gt': 'no2_gt'}
    """
    listed = list(names)
    folded = {name.lower() for name in taken}
    kept = {name: name for name in listed if identifier(name) == name and name not in folded}
    given = dict(kept)
    for name in listed:
        if name in kept:
            continue
        wanted = identifier(name)
        unique, again = wanted, 2
        while unique in given.values() or unique in folded or unique in kept:
            unique, again = f"{wanted}_{again}", again + 1
        given[name] = unique
    return {name: given[name] for name in listed}
