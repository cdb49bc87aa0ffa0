"""Draw the logo, an LSTM that reads three tokens and predicts a class.

python docs/images/draw_logo.py
"""

from pathlib import Path

SIZE = 64
# Colorblind-safe palette of Okabe and Ito, visible on white and on dark pages.
TOKEN, CELL, CLASS = "#56b4e9", "#0072b2", "#e66a00"
COLUMNS, TOKEN_ROW, CELL_ROW, CLASS_ROW = (11, 32, 53), 56, 36, 11


def line(x1, y1, x2, y2):
    return f'<path d="M{x1} {y1}L{x2} {y2}" stroke="{TOKEN}" stroke-width="4"/>'


def circle(x, y, radius, color):
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{color}"/>'


def cell(x):
    return f'<rect x="{x - 8}" y="{CELL_ROW - 8}" width="16" height="16" rx="3" fill="{CELL}"/>'


def picture():
    first, last = COLUMNS[0], COLUMNS[-1]
    parts = [
        line(first, CELL_ROW, last, CELL_ROW),
        line(last, CELL_ROW, last, CLASS_ROW),
        *(line(x, TOKEN_ROW, x, CELL_ROW) for x in COLUMNS),
        *(circle(x, TOKEN_ROW, 5, TOKEN) for x in COLUMNS),
        *(cell(x) for x in COLUMNS),
        circle(last, CLASS_ROW, 9, CLASS),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}">'
    return "\n".join([head, "<title>sklstm</title>", *parts, "</svg>", ""])


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "_static" / "logo.svg"
    path.write_text(picture(), encoding="utf-8")
