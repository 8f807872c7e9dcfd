"""The page at ``/``: what serves, and how to ask it. It loads nothing from elsewhere."""

import json
from html import escape

from bentos.predictor.serving import Serving

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 3rem auto }}
body {{ padding: 0 1rem }}
pre {{ background: #8881; padding: 1rem; overflow-x: auto; border-radius: 4px }}
:root {{ color-scheme: light dark }}
</style>
<h1>{title}</h1>
<p>{state}</p>
{examples}
<p><a href="release">release</a> · <a href="openapi.json">openapi.json</a> ·
<a href="livez">livez</a> · <a href="readyz">readyz</a></p>
</html>
"""

_CURL = """curl {url}predict -H 'content-type: application/json' -d '{body}'"""

_PYTHON = """import httpx

rows = {rows}
answer = httpx.post("{url}predict", json={{"rows": rows}})
print(answer.raise_for_status().json()["predictions"])"""


def index_page(serving: Serving, url: str) -> str:
    """Return the page.

    Args:
        serving: Holds the release that answers.
        url: Address of the server, with a slash at its end.
    """
    loaded = serving.loaded
    if loaded is None:
        state = f"No release is loaded. {serving.error or 'It is being loaded.'}"
        return _PAGE.format(title="Not ready", state=escape(state), examples="")
    release = loaded.predictor.release
    row = loaded.predictor.golden.rows[0]
    # A quote inside single quotes: end them, add an escaped one, begin again.
    body = json.dumps(row, ensure_ascii=False).replace("'", "'\\''")
    examples = (_CURL.format(url=url, body=body), _PYTHON.format(url=url, rows=[row]))
    state = f"Predicts {release.target} with version {release.version}, revision {loaded.revision}."
    if loaded.beside is not None:
        state += f" {loaded.beside.sentence()}"
    if serving.error:
        state += f" A newer deployment could not be served: {serving.error}"
    return _PAGE.format(
        title=escape(release.problem),
        state=escape(state),
        examples="\n".join(f"<pre>{escape(text)}</pre>" for text in examples),
    )
