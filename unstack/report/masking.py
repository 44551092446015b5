"""Nothing in a report that opens a door: values that look like secrets are shown as ***.

Manifests hold paths and not keys; but anybody may have added a flag, a variable or a header by hand.
"""

from __future__ import annotations

import re

MASK = "***"
_SECRET = r"(?:token|passw(?:or)?d|passphrase|secret|credential|api-?key|private-?key|certificatekey)"
# Bounded: a long line of base64 must not be searched from each of its characters to its end.
_NAME = rf"[\w.-]{{0,60}}{_SECRET}[\w.-]{{0,60}}"
# Not a secret: a switch, a count, or the path of a file.
_PLAIN = r"(?!(?:true|false|null|~|\d{1,6}|/[\w./-]*)[\"']?(?:[\s,}\]]|$))"
# To the end of the line: a YAML value may hold blanks, commas and quotes.
_VALUE = rf"{_PLAIN}[^\s][^\n]*"
# A block scalar: every line that stands further in than its key, whose place is the group "at".
_BLOCK = r"[|>][^\n]*(?:\n(?:(?P=at)[ \t]+[^\n]*|[ \t]*(?=\n)))*"
_QUOTE = "[\"']?"

_PATTERNS = tuple(
    re.compile(pattern, re.IGNORECASE | re.MULTILINE)
    for pattern in (
        rf"(?P<keep>^(?P<at>[ \t]*)(?:- )?{_QUOTE}{_NAME}{_QUOTE}:[ \t]*){_BLOCK}",
        rf"(?P<keep>\bname:\s*{_QUOTE}{_NAME}{_QUOTE}[ \t]*\n(?P<at>[ \t]*)value:[ \t]*){_BLOCK}",
        r"(?P<keep>-----BEGIN [A-Z ]*PRIVATE KEY-----)[\s\S]*?(?=-----END|\Z)",
        # --token=abc, --oidc-client-secret abc, and the value as the next item of a YAML list
        rf"(?P<keep>--{_NAME}(?:=|[ \t]+|{_QUOTE},?\s*\n\s*-[ \t]+)){_VALUE}",
        # token: abc, DB_PASSWORD=abc
        rf"(?P<keep>(?<![\w/-]){_NAME}{_QUOTE}\s*[:=][ \t]*){_VALUE}",
        # a variable or a header: name and value, in either order
        rf"(?P<keep>\bname:\s*{_QUOTE}(?:{_NAME}|authorization|cookie){_QUOTE}\s*,?\s*value:\s*){_VALUE}",
        rf"(?P<keep>\bvalue:\s*){_VALUE}(?=\s*,?\s*name:\s*{_QUOTE}(?:{_NAME}|authorization|cookie))",
        r"(?P<keep>\b(?:basic|bearer)\s+)[A-Za-z0-9+/=._~-]{6,}",
        r"(?P<keep>\b[a-z][a-z0-9+.-]*://)[^/\s:@]+:[^/\s@]+(?=@)",  # user:password@host
        r"(?P<keep>)\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*",  # a JSON web token
        r"(?P<keep>)(?<![\w.-])[a-z0-9]{6}\.[a-z0-9]{16}(?![\w.-])",  # a bootstrap token of kubeadm
    )
)


def masked(text: str) -> str:
    """The text with *** for whatever looks like a secret; nothing else changes, lines included."""
    for pattern in _PATTERNS:
        text = pattern.sub(_mask, text)
    return text


def _mask(match: re.Match[str]) -> str:
    # As many lines as before: a diff is made of them.
    lines = match.group().count("\n") - match.group("keep").count("\n")
    return match.group("keep") + MASK + "\n" * lines
