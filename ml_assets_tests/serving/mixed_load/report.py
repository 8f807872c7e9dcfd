"""What happened, as a table."""

from collections import Counter
from itertools import pairwise

import numpy as np

from ml_assets_tests.serving.mixed_load.journal import Journal
from ml_assets_tests.serving.mixed_load.moves import Restart, Swaps
from ml_assets_tests.serving.mixed_load.verdict import Judgement


def gaps(journal: Journal, restarts: list[Restart]) -> dict[str, str]:
    """Return the longest times without any answer."""
    moments = sorted(one.at for one in journal.acknowledged)
    longest = {True: 0.0, False: 0.0}
    for before, after in pairwise(moments):
        within = any(before <= r.ended and after >= r.began for r in restarts)
        longest[within] = max(longest[within], after - before)
    slowest = max(
        (
            ended - began
            for began, ended in journal.waits
            if not any(began <= r.ended and ended >= r.began for r in restarts)
        ),
        default=0.0,
    )
    return {
        "longest time without an answer, restarts": f"{longest[True]:.1f} s",
        "longest time without an answer, otherwise": f"{longest[False]:.2f} s",
        "slowest answer, restarts left out": f"{slowest:.2f} s",
    }


def delays(journal: Journal, swaps: Swaps, restarts: list[Restart]) -> dict[str, str]:
    """Return how long changes took to reach the callers, where no restart came in between."""
    first: dict[int, float] = {}
    for one in journal.acknowledged:
        first[one.revision] = min(one.at, first.get(one.revision, one.at))
    took = [
        first[revision] - moved
        for revision, moved in swaps.moved_at.items()
        if revision in first
        and not any(moved <= r.ended and first[revision] >= r.began for r in restarts)
    ]
    if not took:
        return {}
    told = f"{np.median(took):.2f} s (median), {max(took):.2f} s (longest), {len(took)} seen"
    return {"from a change to the first answer by it": told}


def report(journal: Journal, swaps: Swaps, restarts: list[Restart], judgement: Judgement) -> str:
    """Return everything as tables."""
    replies = journal.replies
    kinds = sorted({kind for kind, _ in replies})
    statuses = sorted({status for _, status in replies})
    lines = [" ".join([f"{'requests':12s}", *(f"{status or 'left':>7}" for status in statuses)])]
    lines += [
        " ".join([f"{kind:12s}", *(f"{replies[kind, status]:7d}" for status in statuses)])
        for kind in kinds
    ]
    moves = ", ".join(f"{n} {move}" for move, n in sorted(Counter(swaps.moves).items()))
    ways = ", ".join(f"{n} {w}" for w, n in sorted(Counter(r.way for r in restarts).items()))
    lines += ["", f"changes of who answers: {len(swaps.moves)} ({moves})"]
    lines += [f"restarts: {len(restarts)} ({ways})"]
    lines += [f"connections that failed in a restart: {len(journal.broken)}"]
    lines += [f"{name}: {value}" for name, value in judgement.figures.items()]
    lines += ["", f"what must not be: {sum(judgement.faults.values())}"]
    for kind, count in judgement.faults.items():
        lines += [f"  {count} {kind}"]
        lines += [f"    {example}" for example in judgement.examples[kind]]
    return "\n".join(lines)
