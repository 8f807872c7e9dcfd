"""The pure core: values in, values out.

Nothing here reads a disk, a clock or a network, and nothing here knows Dagster or BentoML.
The same modules run in a backfill, in a test and inside the served Bento.
"""
