"""Fill a template: HTML is escaped by default, and a missing value is an error."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from ml_assets.reports import formats

_FORMATS: dict[str, object] = {"interval": formats.interval, "estimate": formats.estimate}
_MARKDOWN_SIGNS = "\\`*_{}[]|"


@cache
def _environment(kind: str) -> Environment:
    is_html = kind == "html"
    environment = Environment(
        loader=PackageLoader("ml_assets.reports"),
        autoescape=is_html,  # noqa: S701  # Markdown is escaped by `finalize` instead
        finalize=None if is_html else escape_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        number=formats.number, share=formats.share, day=formats.day, minute=formats.minute
    )
    return environment


def html_page(template: str, **values: object) -> str:
    """Return the template filled with ``values``; only pictures go in unescaped."""
    return _environment("html").get_template(template).render(_FORMATS | values)


def markdown_page(template: str, **values: object) -> str:
    """Return the Markdown template filled with ``values``, their signs and tags escaped."""
    return _environment("markdown").get_template(template).render(_FORMATS | values)


def escape_markdown(value: object) -> str:
    r"""Return text that Markdown shows as it is, on one line.

    Example:
        >>> escape_markdown("a|b <i> *c*")
        'a\\|b &lt;i&gt; \\*c\\*'
    """
    text = " ".join(str(value).split())
    for sign in _MARKDOWN_SIGNS:
        text = text.replace(sign, f"\\{sign}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
