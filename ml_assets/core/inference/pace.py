"""How rows lie in time: the step, the span, and the partitions that fit them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from ml_assets.core.inference.durations import DAY, WEEK, at_least
from ml_assets.core.inference.kinds import TYPED, groups
from ml_assets.core.inference.texts import Texts
from ml_assets.core.inference.values import Pace
from ml_assets.core.window import Every, floor, following

MOST_PARTITIONS = 3000
FEWEST_PARTITIONS = 20
LENGTHS: dict[Every, timedelta] = {
    "hour": timedelta(hours=1),
    "day": DAY,
    "week": WEEK,
    "month": timedelta(days=30),
}
MICROSECOND = timedelta(microseconds=1)
# Rows that came within this time of `now` say that more are coming.
STILL_COMING = timedelta(days=31)
# What the check of rejected rows takes for the size of a small partition.
SMALL = 20


def find_pace(texts: Texts, *, keys: Sequence[str], now: datetime) -> Pace:
    """Measure how rows lie in time.

    Args:
        texts: Holds the table ``typed``.
        keys: Columns that name the entity.
        now: Partitions of a file that ends long before are closed.
    """
    first, last = texts.row(
        f"SELECT epoch_us(min(event_time)), epoch_us(max(event_time)) FROM {TYPED}"
    )
    start, end = (datetime.fromtimestamp(0, tz=now.tzinfo) + t * MICROSECOND for t in (first, last))
    step, regular = _step(texts, keys)
    every = partition_size(end - start, step)
    begin = floor(start, every)
    stop = following(floor(end, every), every)
    partitions = max(1, round((stop - begin) / LENGTHS[every]))
    return Pace(
        start=start,
        last=end,
        step=step,
        regular=regular,
        every=every,
        partitions=partitions,
        end=None if now - end < STILL_COMING else stop,
        max_gap=_max_gap(texts, step),
        max_rejected=_max_rejected(texts),
    )


def _step(texts: Texts, keys: Sequence[str]) -> tuple[timedelta, float]:
    """Return the usual time between an entity's rows, and the share of rows that keep it."""
    names = "".join(f'"{key}", ' for key in keys)
    usual, share, median = texts.row(
        "WITH gaps AS (SELECT epoch_us(event_time) - epoch_us(lag(event_time) OVER "
        f"({groups(keys)}ORDER BY event_time)) AS gap FROM (SELECT DISTINCT {names}event_time "
        f"FROM {TYPED} WHERE event_time IS NOT NULL)), usual AS (SELECT gap, count(*) AS n "
        "FROM gaps WHERE gap > 0 GROUP BY gap) "
        "SELECT first(gap ORDER BY n DESC, gap), max(n) / sum(n), "
        "(SELECT median(gap) FROM gaps WHERE gap > 0) FROM usual"
    )
    if usual is None:
        return DAY, 0.0  # each entity has one row
    if share < 0.4:  # readings that come when they come
        return at_least(round(median) * MICROSECOND), share
    step = usual * MICROSECOND
    # A month or a year is as long as its shortest: what is known after it, is known for all.
    if timedelta(days=28) <= step <= timedelta(days=31):
        step = timedelta(days=28)
    return step, share


def partition_size(span: timedelta, step: timedelta) -> Every:
    """Return the size that makes tens to a few thousands of partitions, each of several rows.

    Example:
        >>> partition_size(timedelta(days=731), timedelta(hours=1))
        'day'
        >>> partition_size(timedelta(days=6), timedelta(minutes=1))
        'hour'
        >>> partition_size(timedelta(days=3650), timedelta(days=1))
        'week'
        >>> partition_size(timedelta(days=9000), timedelta(days=28))
        'month'
    """
    if step >= WEEK:
        return "month"
    sizes: list[Every] = ["week", "day", "month"] if step >= DAY else ["day", "hour", "week"]
    for size in sizes:
        if FEWEST_PARTITIONS <= span / LENGTHS[size] <= MOST_PARTITIONS:
            return size
    return "month" if span > DAY * MOST_PARTITIONS else ("day" if step >= DAY else "hour")


def _max_gap(texts: Texts, step: timedelta) -> timedelta:
    (long,) = texts.row(
        "SELECT quantile_cont(gap, 0.999) FROM (SELECT epoch_us(event_time) - "
        "epoch_us(lag(event_time) OVER (ORDER BY event_time)) AS gap FROM (SELECT DISTINCT "
        f"event_time FROM {TYPED} WHERE event_time IS NOT NULL)) WHERE gap > 0"
    )
    usual = timedelta(0) if long is None else round(long) * MICROSECOND
    return at_least(max(usual, 6 * step))


def _max_rejected(texts: Texts) -> float:
    """Return a share of rejected rows above that of the worst day of the file."""
    (worst,) = texts.row(
        f"SELECT max(bad / greatest(n, {SMALL})) FROM (SELECT count(*) AS n, "
        f"count(*) FILTER (event_time IS NULL OR _odd) AS bad FROM (SELECT *, "
        "coalesce(event_time, last_value(event_time IGNORE NULLS) OVER (ORDER BY _row), "
        "first_value(event_time IGNORE NULLS) OVER (ORDER BY _row ROWS BETWEEN CURRENT ROW AND "
        f"UNBOUNDED FOLLOWING)) AS place FROM {TYPED}) GROUP BY place::DATE)"
    )
    return 0.05 if (worst or 0) < 0.04 else min(1.0, round(worst + 0.05, 2))
