"""How long a rehearsal of a year of daily partitions takes, with all policies, on two processes.

The year is 2012 of the bike table: 366 partitions, two boosted candidates of which one weighs rows.

    python -m benchmarks.rehearsal_year [--home FOLDER] [--jobs 2]
"""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import duckdb

from benchmarks.real_tables import COURSES, declared_table, materialised
from ml_assets.core.rehearsal.comparison import compare_policies
from ml_assets.storage.rehearsal_record import rehearse_problem

NAME = "bike_sharing"


def measure(home, jobs):
    declared, course = declared_table(NAME), COURSES[NAME]
    with dg.DagsterInstance.ephemeral() as instance, duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        workspace = materialised(declared, home, instance)
        began = time.perf_counter()
        rehearsal = rehearse_problem(
            connection, workspace, declared, course.judged, seed=0, jobs=jobs
        )
        compared = compare_policies(rehearsal)
        seconds = time.perf_counter() - began
    for one in compared.figures:
        mark = "*" if one.policy == compared.picked else " "
        print(f"{mark} {one.policy:17} {one.loss.value:.2f}, {one.retrainings} retrainings")
    print(f"{len(rehearsal.steps)} partitions, {jobs} processes: {seconds:.0f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="where tables are kept and found again")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    with TemporaryDirectory() as folder:
        measure(asked.home or Path(folder), asked.jobs)


if __name__ == "__main__":
    main()
