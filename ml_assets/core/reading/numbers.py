"""Numbers as people write them, in the form that SQL reads: marks, groups of digits, percent."""

from ml_assets.core.reading.names import literal

# A space that does not break, and a typographic apostrophe, group digits as the plain ones do.
SPACES = "\u00a0\u202f"
GROUPING = {".": r"\.", ",": ",", " ": f"[ {SPACES}]", "'": "['\u2019]"}


def plain_sql(text: str, *, decimal: str, thousands: str | None, percent: bool) -> str:
    """Return SQL for a number's text with a decimal point and without groups.

    It is NULL or no number where the marks do not stand as declared: a wrong group may well be a
    decimal mark of another country.

    Args:
        text: Expression of the text, trimmed.
        decimal: Decimal mark, a point or a comma.
        thousands: What groups digits by three; None if nothing does.
        percent: Whether the number ends in '%'. One that does not may be a share of one.

    Example:
        >>> plain_sql("x", decimal=",", thousands=None, percent=False)
        "CASE WHEN NOT contains(x, '.') THEN replace(x, ',', '.') END"
    """
    if percent:
        signed = literal(rf"^(.*[^\s{SPACES}])[\s{SPACES}]*%$")
        text = f"regexp_extract({text}, {signed}, 1)"
    ungrouped = _with_point(text, decimal)
    if thousands is None:
        return ungrouped
    mark = GROUPING[thousands]
    # 0.123 is no group: nobody writes a thousand as 0 thousands.
    groups = literal(rf"[+-]?[1-9]\d{{0,2}}({mark}\d{{3}})+({GROUPING[decimal]}\d*)?")
    joined = _with_point(f"regexp_replace({text}, {literal(mark)}, '', 'g')", decimal)
    return (
        f"CASE WHEN regexp_full_match({text}, {groups}) THEN {joined} "
        f"WHEN NOT regexp_matches({text}, {literal(mark)}) THEN {ungrouped} END"
    )


def _with_point(text: str, decimal: str) -> str:
    if decimal == ".":
        return text
    # A point beside a decimal comma is no number.
    return f"CASE WHEN NOT contains({text}, '.') THEN replace({text}, ',', '.') END"
