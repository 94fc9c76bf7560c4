"""The logo and the favicon: one event, dispatched to three handlers."""

from __future__ import annotations

#: Colours with a contrast of at least 3 on white and on dark pages, because both files have only one form.
EVENT, WAY, HANDLER = "#2f9150", "#5b80c7", "#3f73d8"
#: The ends of the three ways in a square of 64.
ENDS = ((52, 10), (55, 32), (52, 54))


def glyph(event: str, way: str, handler: str) -> str:
    """The glyph without its frame, in a square of 64."""
    ways = "".join(f'<path d="M14 32 C30 32 30 {y} {x} {y}"/>' for x, y in ENDS)
    ends = "".join(f'<circle cx="{x}" cy="{y}" r="7"/>' for x, y in ENDS)
    return (
        f'<g fill="none" stroke="{way}" stroke-width="5" stroke-linecap="round">{ways}</g>\n'
        f'<g fill="{handler}">{ends}</g>\n<circle cx="14" cy="32" r="9" fill="{event}"/>'
    )


def framed(inside: str) -> str:
    """A square picture of 64."""
    head = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64" width="64" height="64" role="img">'
    return f"{head}\n<title>Dispatch</title>\n<desc>One event goes to three handlers</desc>\n{inside}\n</svg>\n"


#: The favicon has the blue of the icon of the local platform's page.
FILES = {
    "logo.svg": framed(glyph(EVENT, WAY, HANDLER)),
    "favicon.svg": framed(
        '<rect width="64" height="64" rx="14" fill="#3451d1"/>\n'
        '<g transform="translate(6.4 6.4) scale(0.8)">\n' + glyph("#ffffff", "#c9d4f7", "#ffffff") + "\n</g>"
    ),
}
