"""An alert as a message: plain text, Markdown that chats show, a JSON body, an email."""

from typing import Any

from ml_assets.core.alert import Alert

COMMAND = "Next"
SUBJECT_LENGTH = 150


def plain_text(alert: Alert) -> str:
    """Return the alert as text of several lines, the title first."""
    lines = [alert.title]
    for heading, texts in alert.sections:
        lines += ["", heading.upper()]
        lines += [f"  {text}" for text in texts]
    return "\n".join(lines)


def chat_text(alert: Alert) -> str:
    """Return the alert as Slack, Mattermost and Rocket.Chat show it: bold headings and code."""
    parts = [f"*{escaped(alert.title)}*"]
    for heading, texts in alert.sections:
        if heading == COMMAND:
            shown = " ".join(f"`{escaped(text).replace('`', chr(39))}`" for text in texts)
            parts.append(f"*{heading}:* {shown}")
        elif len(texts) == 1:
            parts.append(f"*{heading}:* {escaped(texts[0])}")
        else:
            parts.append("\n".join([f"*{heading}:*", *(f"• {escaped(text)}" for text in texts)]))
    return "\n".join(parts)


def webhook_body(alert: Alert, *, message: str) -> dict[str, Any]:
    """Return the JSON object that a webhook gets.

    Args:
        alert: What to tell.
        message: Name of the message: a receiver that has seen it drops it.

    Returns:
        ``text`` for chats, the parts for programs.
    """
    return {
        "text": chat_text(alert),
        "message": message,
        "problem": alert.problem,
        "cause": alert.name,
        "kinds": list(alert.kinds),
        "severity": alert.severity,
        "state": "over" if alert.is_over else "open",
        "title": alert.title,
        "since": alert.since.isoformat(),
        "until": alert.until.isoformat() if alert.until else None,
        "sections": {heading: list(texts) for heading, texts in alert.sections},
        "next_command": alert.next_command,
    }


def email_subject(alert: Alert) -> str:
    """Return one line without control characters: a header can hold no other."""
    line = " ".join("".join(c if c.isprintable() else " " for c in alert.title).split())
    return line if len(line) <= SUBJECT_LENGTH else line[: SUBJECT_LENGTH - 1] + "…"


def escaped(text: str) -> str:
    """Return text in which a chat sees no markup, mention or link of its own.

    Example:
        >>> escaped("<!channel> a & b")
        '&lt;!channel&gt; a &amp; b'
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
