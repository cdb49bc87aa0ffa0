"""Say what the layers of a network do, as a table for a print and for a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklstm._layers import layers_of
from sklstm._network.spec import NetworkSpec

_HEADER = ("layer", "what it does", "output shape", "weights", "trained")


class Summary(str):
    """A table in text, which a notebook shows as a table.

    Parameters
    ----------
    text : str
        What is printed.
    markup : str
        What a notebook shows, in HTML.
    """

    markup: str

    def __new__(cls, text: str, markup: str = "") -> Summary:
        """Make a string, and keep its other form beside it."""
        summary = super().__new__(cls, text)
        summary.markup = markup
        return summary

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(str(self))


def summarize(spec: NetworkSpec, weights: Mapping[str, NDArray[np.float32]]) -> Summary:
    """Return the table of a network's layers.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray
        By names that begin with those of their layers.
    """
    layers = layers_of(spec, weights)
    rows: list[tuple[str, ...]] = [
        (
            layer.name,
            layer.does,
            layer.shape_in_words,
            f"{layer.n_weights:,}" if layer.n_weights else "-",
            ("yes" if layer.is_trained else "no") if layer.n_weights else "-",
        )
        for layer in layers
    ]
    n_weights = sum(layer.n_weights for layer in layers)
    n_frozen = sum(layer.n_weights for layer in layers if not layer.is_trained)
    total = f"Total params: {n_weights:,}"
    if n_frozen:
        total += f", of them not trained: {n_frozen:,}"
    return Summary(_text(rows, total), _markup(rows, total))


def _text(rows: list[tuple[str, ...]], total: str) -> str:
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        aligned = [
            cell.rjust(width) if name == "weights" else cell.ljust(width)
            for name, cell, width in zip(_HEADER, cells, widths, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return "\n".join([line(_HEADER), rule, *map(line, rows), rule, total])


def _markup(rows: list[tuple[str, ...]], total: str) -> str:
    """Return the table in HTML, in the colours of the notebook's theme, dark or light."""

    def line(cells: tuple[str, ...], tag: str) -> str:
        sides = ["right" if name == "weights" else "left" for name in _HEADER]
        cells = tuple(
            f'<{tag} style="text-align: {side}">{html.escape(cell)}</{tag}>'
            for cell, side in zip(cells, sides, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    end = f'<td colspan="{len(_HEADER)}" style="text-align: left">{html.escape(total)}</td>'
    body = "".join(line(row, "td") for row in rows)
    return (
        '<table style="color: inherit">'
        f"<thead>{line(_HEADER, 'th')}</thead><tbody>{body}</tbody>"
        f"<tfoot><tr>{end}</tr></tfoot></table>"
    )
