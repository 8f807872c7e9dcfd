"""All lives of one plant, and what came of them."""

import time
from dataclasses import dataclass
from pathlib import Path

import joblib

from benchmarks.monitoring.adaptation import Adapted, adapted
from benchmarks.monitoring.auditing import Audit, audits
from benchmarks.monitoring.detection import Found, false_episodes, found
from benchmarks.monitoring.lives import CHANGES, Life
from benchmarks.monitoring.naming import Named, falsely_named, named

QUIET = "quiet"


@dataclass(frozen=True)
class Lived:
    """What came of one seed, by scenario."""

    seed: int
    false_episodes: int
    windows: int
    found: dict[str, Found]
    named: dict[str, list[Named]]
    falsely_named: tuple[int, int]
    audits: dict[str, list[Audit]]
    adapted: dict[str, dict[str, Adapted]]


def lived(seed: int, *, adapts: bool) -> Lived:
    """Let the plant of one seed live all its lives."""
    began = time.perf_counter()
    quiet = Life.of(QUIET, seed)
    version = quiet.first_champion()
    episodes, windows = false_episodes(quiet, version)
    audited = {QUIET: audits(quiet, version)}
    false_names = falsely_named(quiet, version)
    seen = Lived(seed, episodes, windows, {}, {}, false_names, audited, {})
    for scenario in CHANGES:
        life = Life.of(scenario, seed)
        seen.found[scenario] = found(life, version)
        seen.named[scenario] = named(life, version, seen.found[scenario])
        seen.audits[scenario] = audits(life, version)
        if adapts:
            seen.adapted[scenario] = adapted(life, version)
    print(f"seed {seed}: {time.perf_counter() - began:.0f} s", flush=True)
    return seen


def kept(seed: int, folder: Path | None, *, adapts: bool) -> Lived:
    """Return what came of a seed, from the folder if it was lived before."""
    if folder is None:
        return lived(seed, adapts=adapts)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{seed}{'' if adapts else '-no-adaptation'}.joblib"
    if not file.exists():
        joblib.dump(lived(seed, adapts=adapts), file)
    return joblib.load(file)
