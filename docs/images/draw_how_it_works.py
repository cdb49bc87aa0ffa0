"""Draw how_it_works.svg: python docs/images/draw_how_it_works.py."""

from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 570, 990
# Colorblind-safe palette of Okabe and Ito.
BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
INK, PALE, PADDING = "#1c2530", "#e8eef4", "#c9d1d9"
LEFT, CELL = 24, 34


def text(x, y, words, *, size=19, color=INK, anchor="start", weight="normal"):
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" fill="{color}" text-anchor="{anchor}" '
        f'font-weight="{weight}">{escape(str(words))}</text>'
    )


def box(x, y, width, height, *, fill="#ffffff", stroke=INK, dash=""):
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="4" fill="{fill}" '
        f'stroke="{stroke}" stroke-width="1.5"{dash}/>'
    )


def line(x1, y1, x2, y2, *, color=INK, dash="", arrow=True):
    end = ' marker-end="url(#tip)"' if arrow else ""
    return (
        f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{color}" stroke-width="2"'
        f"{dash}{end}/>"
    )


def step(y, name, what):
    """Draw the arrow to the next row with the name and description of a step."""
    return [
        line(LEFT + 18, y, LEFT + 18, y + 44),
        text(LEFT + 40, y + 20, name, color=BLUE, weight="bold"),
        text(LEFT + 40, y + 42, what, size=17),
    ]


def texts(y):
    rows = [("a fine film", "good"), ("a dull film with no end", "bad")]
    drawn = []
    for number, (words, label) in enumerate(rows):
        top = y + 40 * number
        drawn += [box(LEFT, top, 290, 34), text(LEFT + 10, top + 23, words)]
        drawn += [box(LEFT + 300, top, 90, 34, fill=PALE), text(LEFT + 310, top + 23, label)]
    return drawn


def ids(y):
    drawn = []
    for number, row in enumerate([[0, 0, 0, 2, 4, 3], [2, 5, 3, 8, 7, 6]]):
        for place, token in enumerate(row):
            x, top = LEFT + CELL * place, y + (CELL + 6) * number
            drawn.append(box(x, top, CELL, CELL, fill=PADDING if token == 0 else "#ffffff"))
            drawn.append(text(x + CELL / 2, top + 23, token, anchor="middle"))
    drawn.append(text(LEFT + 6 * CELL + 16, y + 23, "0 is padding,", size=17))
    drawn.append(text(LEFT + 6 * CELL + 16, y + 46, "1 out of vocabulary", size=17))
    return drawn


def batch(y):
    drawn = []
    for left, width, lengths in [(LEFT, 130, [70, 85, 110]), (LEFT + 200, 250, [180, 215, 240])]:
        for number, length in enumerate(lengths):
            top = y + 18 * number
            drawn.append(box(left, top, width, 13, fill=PADDING, stroke=PADDING))
            drawn.append(box(left, top, length, 13, fill=BLUE, stroke=BLUE))
    drawn.append(text(LEFT, y + 72, "bucket of short texts", size=17))
    drawn.append(text(LEFT + 200, y + 72, "bucket of long texts", size=17))
    return drawn


def network(y):
    """Draw the LSTM on one text with three tokens and padding."""
    drawn = []
    step_width = 80
    for place, word in enumerate(["a", "fine", "film", "", ""]):
        x = LEFT + 4 + step_width * place
        is_padding = not word
        color, dash = (PADDING, ' stroke-dasharray="4 4"') if is_padding else (INK, "")
        for part in range(4):
            fill = (
                PADDING
                if is_padding
                else [BLUE, "#66aad1", "#b3d4e8", "#3389bf"][(part + place) % 4]
            )
            drawn.append(box(x + 12, y + 13 * part, 26, 13, fill=fill, stroke="#ffffff"))
        drawn.append(line(x + 25, y + 56, x + 25, y + 82, color=color))
        drawn.append(box(x - 4, y + 86, 58, 42, stroke=color, dash=dash))
        drawn.append(
            text(
                x + 25, y + 113, word or "skip", size=17, anchor="middle",
                color="#7a8590" if is_padding else INK,
            )
        )  # fmt: skip
        if place < 4:
            drawn.append(line(x + 56, y + 107, x + 74, y + 107, color=color, dash=dash))
    drawn.append(text(LEFT + 414, y + 32, "embedding:", size=17))
    drawn.append(text(LEFT + 414, y + 54, "one vector each", size=17))
    drawn.append(text(LEFT + 414, y + 104, "LSTM: one state", size=17))
    drawn.append(text(LEFT + 414, y + 126, "per token", size=17))
    return drawn


def vector(y):
    fills = ["#9fdcc9", GREEN, "#4fc0a2", "#cdeee5", "#26ae8a", "#7fd0ba"]
    drawn = [box(LEFT + 34 * i, y, 34, 24, fill=fill) for i, fill in enumerate(fills)]
    return [*drawn, text(LEFT + 220, y + 18, "document vector", size=17)]


def classes(y):
    drawn = []
    for number, (label, probability) in enumerate([("good", 0.9), ("bad", 0.1)]):
        top = y + 34 * number
        drawn.append(text(LEFT, top + 20, label))
        drawn.append(box(LEFT + 64, top + 2, 220, 24, fill=PALE, stroke=PALE))
        drawn.append(box(LEFT + 64, top + 2, 220 * probability, 24, fill=ORANGE, stroke=ORANGE))
        drawn.append(text(LEFT + 296, top + 20, probability))
    return drawn


def picture():
    parts = [
        box(1, 1, WIDTH - 2, HEIGHT - 2, fill="#fbfcfd", stroke=PADDING),
        text(LEFT, 38, "Texts and labels", weight="bold"),
        *texts(54),
        *step(142, "TextSequencer", "tokenizes, maps to ids and pads"),
        *ids(200),
        *step(286, "LSTMTextClassifier", "masks padding, builds length buckets"),
        *batch(344),
        *step(432, "Embedding and LSTM", "process the tokens in order"),
        *network(496),
        *step(640, "Pooling", "last output, maximum, mean or attention"),
        *vector(700),
        *step(736, "Dense layers and output", "one score per class, then probabilities"),
        *classes(796),
        *step(870, "predict", "label with the highest probability"),
        box(LEFT, 930, 100, 40, fill=PALE),
        text(LEFT + 50, 957, "good", anchor="middle", weight="bold"),
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" '
            'font-family="system-ui, -apple-system, Segoe UI, Roboto, Arial, sans-serif">',
            "<title>Processing of a text in sklstm</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" '
            f'markerHeight="6" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="{INK}"/></marker>'
            "</defs>",
            *parts,
            "</svg>",
            "",
        ]
    )


if __name__ == "__main__":
    Path(__file__).with_name("how_it_works.svg").write_text(picture(), encoding="utf-8")
