"""Draws diagrams as SVG, each in a light and a dark scheme, with system fonts and texts that fit.

A picture is a function that draws on a canvas, which has the colours of one scheme. Text that does not fit its box is
an error, by the widths of DejaVu Sans, the widest of the usual system fonts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

#: The width of every diagram. A phone of 390 px shows it at about three quarters of its size.
WIDTH = 480
MARGIN = 16
SANS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
#: Sizes of a box's title, of text, and of code.
TITLE, TEXT, CODE = 15, 14, 13
#: The distance between the lines of a text, as a share of its size.
LEADING = 1.4

#: The widths of DejaVu Sans in thousandths of the size, with their characters; any other has that of the last row.
WIDTHS: Mapping[int, str] = {
    280: "'ijl", 320: " ,.·’IJ", 350: "/:;\\|f-", 400: "()[]t!r", 500: '*_`–"', 530: "sz?", 580: "cLkF", 615: "vxyPTYa",
    640: "oeEhnu$0123456789Sbdgpq{}µ", 700: "KAVXZBCR", 790: "UHNDG&OQ", 860: "w#+<=>^~×±→←↑↓M", 1000: "%mW@…",
}  # fmt: skip
BOLD, MONOSPACED = 1.12, 0.602

Kind = Literal["ours", "yours", "outside", "plain", "theirs", "floor"]
Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Scheme:
    """The colours of a scheme.

    Attributes:
        name: `light` or `dark`, the end of a file's name.
        paper, edge: the background, which is never transparent, and its border.
        ink, muted: text.
        line: arrows.
        boxes: the fill and the border of each kind of box.
        bars: the colour of each kind of bar.
    """

    name: str
    paper: str
    edge: str
    ink: str
    muted: str
    line: str
    boxes: Mapping[Kind, tuple[str, str]]
    bars: Mapping[Kind, str]


LIGHT = Scheme(
    "light", "#ffffff", "#d0d7de", "#1f2328", "#505860", "#67707a",
    boxes={
        "ours": ("#e8effc", "#3f66b8"), "yours": ("#fdf1d8", "#a06a12"), "outside": ("#e6f4ea", "#2f7d46"),
        "plain": ("#f4f5f7", "#8c959f"), "theirs": ("#f4f5f7", "#8c959f"), "floor": ("#ffffff", "#8c959f"),
    },
    bars={
        "ours": "#3f73d8", "yours": "#c28a1e", "outside": "#3b9a58", "plain": "#c9d0d8", "theirs": "#848d97",
        "floor": "#3b9a58",
    },
)  # fmt: skip
DARK = Scheme(
    "dark", "#0d1117", "#30363d", "#e6edf3", "#adb7c2", "#8d97a2",
    boxes={
        "ours": ("#16233f", "#7b9de2"), "yours": ("#37290e", "#d6a13f"), "outside": ("#112c1b", "#53b374"),
        "plain": ("#1b2028", "#6e7681"), "theirs": ("#1b2028", "#6e7681"), "floor": ("#0d1117", "#6e7681"),
    },
    bars={
        "ours": "#6c9cf3", "yours": "#d6a13f", "outside": "#53b374", "plain": "#3d444d", "theirs": "#858f9a",
        "floor": "#53b374",
    },
)  # fmt: skip
SCHEMES = (LIGHT, DARK)


class DoesNotFit(ValueError):
    """A text is wider than its place."""


def width(text: str, size: float, *, bold: bool = False, mono: bool = False) -> float:
    """The width of a text in a wide system font; most readers' fonts are narrower."""
    if mono:
        return len(text) * size * MONOSPACED
    found = {character: one for one, characters in WIDTHS.items() for character in characters}
    return sum(found.get(character, 1000) for character in text) * size / 1000 * (BOLD if bold else 1)


@dataclass
class Canvas:
    """A drawing that is being made in one scheme; its height is that of what is on it."""

    scheme: Scheme
    height: float = 0
    parts: list[str] = field(default_factory=list)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = TEXT,
        anchor: Anchor = "start",
        muted: bool = False,
        bold: bool = False,
        mono: bool = False,
    ) -> None:
        """A line of text, whose middle is at `y`. Raises DoesNotFit beyond the picture's margin."""
        wide = width(text, size, bold=bold, mono=mono)
        left = x - wide * {"start": 0, "middle": 0.5, "end": 1}[anchor]
        if left < MARGIN / 2 or left + wide > WIDTH - MARGIN / 2:
            raise DoesNotFit(f"{text!r} goes from {left:.0f} to {left + wide:.0f} in a picture {WIDTH} wide")
        self._reach(y + size)
        look = f'fill="{self.scheme.muted if muted else self.scheme.ink}" font-size="{size}" text-anchor="{anchor}"'
        look += ' font-weight="600"' * bold + f' font-family="{MONO}"' * mono
        self.parts.append(f'<text x="{_short(x)}" y="{_short(y + size * 0.35)}" {look}>{escape(text)}</text>')

    def paragraph(self, x: float, y: float, text: str, room: float, *, muted: bool = False) -> float:
        """A text in lines no wider than `room`; returns the middle of the line after it."""
        for line in lines(text, room):
            self.text(x, y, line, muted=muted)
            y += TEXT * LEADING
        return y

    def box(
        self,
        x: float,
        y: float,
        wide: float,
        high: float,
        title: str,
        *notes: str,
        kind: Kind = "ours",
        mono: bool = False,
    ) -> None:
        """A box with a title and smaller lines below it, all centred. Raises DoesNotFit."""
        fill, stroke = self.scheme.boxes[kind]
        self.parts.append('<g class="box">')
        self._rect(x, y, wide, high, f'rx="7" fill="{fill}" stroke="{stroke}" stroke-width="1.5"')
        size = CODE if mono else TEXT
        steps = [TITLE * LEADING] * bool(title) + [size * LEADING] * len(notes)
        middle = y + (high - sum(steps)) / 2
        texts = [title] * bool(title) + [*notes]
        for number, (text, step) in enumerate(zip(texts, steps, strict=True)):
            head = bool(title) and number == 0
            look = {"bold": head, "mono": mono and not head}
            one = TITLE if head else size
            if width(text, one, **look) > wide - 8 or sum(steps) > high:
                raise DoesNotFit(f"{text!r} is wider or higher than its box of {wide} × {high}")
            self.text(
                x + wide / 2, middle + step / 2, text, size=one, anchor="middle", muted=bool(title) and not head, **look
            )
            middle += step
        self.parts.append("</g>")

    def frame(self, x: float, y: float, wide: float, high: float) -> None:
        """A dashed border around other parts."""
        self._rect(x, y, wide, high, f'rx="9" fill="none" stroke="{self.scheme.line}" stroke-dasharray="5 4"')

    def bar(self, x: float, y: float, wide: float, high: float, kind: Kind) -> None:
        """A bar of a diagram, without a border."""
        self._rect(x, y, wide, high, f'class="bar" rx="2" fill="{self.scheme.bars[kind]}"')

    def line(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through the points."""
        for _, y in points:
            self._reach(y)
        path = "M" + " L".join(f"{_short(x)} {_short(y)}" for x, y in points)
        dashes = ' stroke-dasharray="5 4"' * dashed
        self.parts.append(f'<path d="{path}" fill="none" stroke="{self.scheme.line}" stroke-width="1.5"{dashes}/>')

    def axis(self, *points: tuple[float, float]) -> None:
        """An arrow that points to nothing."""
        self.arrow(*points, name="axis")

    def arrow(self, *points: tuple[float, float], name: str = "arrow") -> None:
        """A line through the points, with a head at the last one, which is on the border of what it points to."""
        (before_x, before_y), (x, y) = points[-2:]
        length = ((x - before_x) ** 2 + (y - before_y) ** 2) ** 0.5
        along_x, along_y = (x - before_x) / length, (y - before_y) / length
        self.parts.append(f'<g class="{name}">')
        self.line(*points[:-1], (x - along_x * 6, y - along_y * 6))
        corners = [(x, y)] + [
            (x - along_x * 9 - along_y * side, y - along_y * 9 + along_x * side) for side in (-4.5, 4.5)
        ]
        shape = " ".join(f"{_short(one)},{_short(other)}" for one, other in corners)
        self.parts += [f'<polygon points="{shape}" fill="{self.scheme.line}"/>', "</g>"]

    def number(self, x: float, y: float, number: int) -> None:
        """The number of a step, in a disc."""
        self._reach(y + 11)
        disc = f'cx="{_short(x)}" cy="{_short(y)}" r="11" fill="{self.scheme.ink}"'
        look = f'fill="{self.scheme.paper}" font-size="{TEXT}" font-weight="600" text-anchor="middle"'
        place = f'x="{_short(x)}" y="{_short(y + TEXT * 0.35)}"'
        self.parts.append(f'<g class="box"><circle {disc}/><text {place} {look}>{number}</text></g>')

    def _rect(self, x: float, y: float, wide: float, high: float, look: str) -> None:
        self._reach(y + high)
        place = f'x="{_short(x)}" y="{_short(y)}" width="{_short(wide)}" height="{_short(high)}"'
        self.parts.append(f"<rect {place} {look}/>")

    def _reach(self, y: float) -> None:
        self.height = max(self.height, y)


@dataclass(frozen=True)
class Picture:
    """A diagram: what it is called, what it shows, for those who cannot see it, and what draws it."""

    name: str
    title: str
    description: str
    draw: Callable[[Canvas], None]

    def files(self) -> Iterator[tuple[str, str]]:
        """The name and the text of the file in each scheme."""
        for scheme in SCHEMES:
            yield f"{self.name}-{scheme.name}.svg", self.svg(scheme)

    def svg(self, scheme: Scheme) -> str:
        """The picture in a scheme."""
        canvas = Canvas(scheme)
        self.draw(canvas)
        high = round(canvas.height + MARGIN)
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {high}" width="{WIDTH}" height="{high}" '
            f'font-family="{SANS}" role="img" aria-labelledby="title desc">'
        )
        paper = f'x="0.5" y="0.5" width="{WIDTH - 1}" height="{high - 1}" rx="10"'
        about = [
            f'<title id="title">{escape(self.title)}</title>',
            f'<desc id="desc">{escape(self.description)}</desc>',
            f'<rect class="paper" {paper} fill="{scheme.paper}" stroke="{scheme.edge}"/>',
        ]
        return "\n".join([head, *about, *canvas.parts, "</svg>", ""])


def lines(text: str, room: float, size: float = TEXT) -> Sequence[str]:
    """A text in lines no wider than `room`. Raises DoesNotFit for a word that is wider."""
    found = [""]
    for word in text.split():
        longer = f"{found[-1]} {word}".strip()
        if width(longer, size) <= room:
            found[-1] = longer
        elif width(word, size) <= room:
            found.append(word)
        else:
            raise DoesNotFit(f"{word!r} is wider than {room:.0f}")
    return found


def _short(value: float) -> str:
    """A coordinate with at most one decimal, so that files differ only where pictures do."""
    return f"{value:.1f}".removesuffix(".0")
