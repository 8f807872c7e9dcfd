"""The page at ``/``: what serves, and how to ask it. It loads nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from pprint import pformat
from typing import Any

from bentos.predictor.passes import Loaded
from bentos.predictor.serving import Serving
from ml_assets.core.contract import Column
from ml_assets.core.request_rows import EVENT_TIME
from ml_assets.core.request_schema import RequestSchema

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 54rem; margin: 3rem auto }}
body {{ padding: 0 1rem }}
pre {{ background: #8881; padding: 1rem; overflow-x: auto; border-radius: 4px }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; vertical-align: top; padding: .3rem 1rem .3rem 0 }}
tr {{ border-bottom: 1px solid #8884 }}
</style>
<h1>{title}</h1>
<p>{state}</p>
{content}
<p><a href="openapi.json">openapi.json</a> · <a href="release">release</a> ·
<a href="metrics">metrics</a> · <a href="livez">livez</a> · <a href="readyz">readyz</a></p>
</html>
"""

_CURL = """curl {url}predict -H 'content-type: application/json' -d '
{body}'"""

_PYTHON = """import httpx

rows = {rows}
answer = httpx.post("{url}predict", json={{"rows": rows}})
print(answer.raise_for_status().json()["predictions"])"""

_FEEDBACK = """curl {url}feedback -H 'content-type: application/json' -d '
{body}'"""

_KEY = "Where the server has keys, add -H 'authorization: Bearer SECRET'."


def index_page(serving: Serving, url: str) -> str:
    """Return the page.

    Args:
        serving: Holds the release that answers.
        url: Address of the server, with a slash at its end.
    """
    loaded = serving.loaded
    if loaded is None:
        reason = "It is being loaded." if serving.error is None else "GET /release says why."
        state = f"No release is loaded. {reason}"
        return _PAGE.format(title="Not ready", state=escape(state), content="")
    release = loaded.predictor.release
    state = f"Predicts {release.target} with version {release.version}, revision {loaded.revision}."
    if loaded.beside is not None:
        state += f" {loaded.beside.sentence()}"
    if serving.error:
        # The reason may name folders of this machine: it is for operators.
        state += " A newer deployment could not be served: GET /release says why."
    content = "\n".join(_content(loaded, url))
    return _PAGE.format(title=escape(release.problem), state=escape(state), content=content)


def _content(loaded: Loaded, url: str) -> Iterator[str]:
    release, row = loaded.predictor.release, loaded.predictor.golden.rows[0]
    yield "<h2>Ask</h2>"
    yield _example(_CURL.format(url=url, body=_quoted(row)))
    yield _example(_PYTHON.format(url=url, rows=pformat([row], sort_dicts=False)))
    yield f"<p>{escape(_KEY)}</p>"
    yield f"<h2>A row</h2>\n<p>One, or up to {release.max_rows} in <code>rows</code>.</p>"
    yield _table(loaded.predictor.schema)
    yield "<h2>Tell the truth, once it is known</h2>"
    truth = release.classes[0] if release.classes else loaded.predictor.golden.predictions[0]
    told = {"request_id": "REQUEST_ID", "row": 0, "truth": truth}
    yield _example(_FEEDBACK.format(url=url, body=_quoted(told)))


def _quoted(content: dict[str, Any]) -> str:
    # A quote inside single quotes: end them, add an escaped one, begin again.
    return json.dumps(content, ensure_ascii=False, indent=1).replace("'", "'\\''")


def _example(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def _table(schema: RequestSchema) -> str:
    rows = [
        *((c.name, c.kind, _allowed(c, schema), c.description) for c in schema.columns),
        (
            EVENT_TIME,
            "datetime",
            "may be left out",
            "When it happened, with an offset; by default now.",
        ),
    ]
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    head = "<tr><th>name</th><th>kind</th><th>allowed</th><th></th></tr>"
    return f"<table>\n{head}\n{chr(10).join(lines)}\n</table>"


def _allowed(column: Column, schema: RequestSchema) -> str:
    """Say which values a column may hold."""
    told = []
    if column.at_least is not None:
        told.append(f"at least {column.at_least:.15g}")
    if column.at_most is not None:
        told.append(f"at most {column.at_most:.15g}")
    if column.allowed is not None:
        values = ", ".join(map(str, column.allowed))
        told.append(values if schema.unknown_category == "reject" else f"{values} or others")
    if not schema.requires(column):
        told.append("may be missing")
    return "; ".join(told)
