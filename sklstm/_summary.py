"""Say what the layers of a network do, as a table for a print and for a notebook."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklstm._network.spec import NetworkSpec

_POOLING = {
    "last": "the output after the last token",
    "max": "maximum over tokens",
    "mean": "mean over tokens",
    "attention": "mean over tokens, by relevance",
    "concat": "last, maximum and mean over tokens",
    "flatten": "all outputs, one after the other",
}
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


class Layer(NamedTuple):
    """A row of the table."""

    name: str
    does: str
    shape: tuple[Any, ...]
    n_weights: int = 0
    is_trained: bool = True


def summarize(spec: NetworkSpec, weights: Mapping[str, NDArray[np.float32]]) -> Summary:
    """Return the table of a network's layers.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray
        By names that begin with those of their layers.
    """
    layers = [_with_weights(layer, weights) for layer in _layers(spec)]
    rows: list[tuple[str, ...]] = [
        (
            layer.name,
            layer.does,
            f"({', '.join(map(str, layer.shape))})",
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


def _with_weights(layer: Layer, weights: Mapping[str, NDArray[np.float32]]) -> Layer:
    own = (array.size for name, array in weights.items() if name.split("/")[0] == layer.name)
    return layer._replace(n_weights=sum(own))


def _layers(spec: NetworkSpec) -> list[Layer]:
    """Return the layers in the order in which a document passes through them."""
    sequence = ("n_documents", spec.width or "n_tokens")
    n_values = spec.embedding_dim
    layers = [
        Layer(
            "embedding",
            "a vector for each token",
            (*sequence, n_values),
            is_trained=spec.trainable_embeddings,
        )
    ]
    if spec.embedding_dropout:
        layers.append(_dropout("embedding_dropout", spec.embedding_dropout, (*sequence, n_values)))
    for number, units in enumerate(spec.units, start=1):
        n_values = units * (2 if spec.bidirectional else 1)
        ways = " in each direction" if spec.bidirectional else ""
        layers.append(Layer(f"lstm_{number}", f"LSTM, {units} units{ways}", (*sequence, n_values)))
        if spec.dropout:
            layers.append(_dropout(f"dropout_{number}", spec.dropout, (*sequence, n_values)))
    if spec.pooling == "attention":
        layers += [
            Layer("attention_hidden", "dense, tanh", (*sequence, n_values)),
            Layer("attention_relevance", "relevance of each token", (*sequence, 1)),
        ]
    layers.append(Layer("pooling", _POOLING[spec.pooling], ("n_documents", spec.vector_size)))
    for number, units in enumerate(spec.dense_units, start=1):
        layers.append(
            Layer(f"dense_{number}", f"dense, {spec.dense_activation}", ("n_documents", units))
        )
        if spec.dense_dropout:
            name = f"dense_dropout_{number}"
            layers.append(_dropout(name, spec.dense_dropout, ("n_documents", units)))
    scores, last = ("n_documents", spec.n_outputs), spec.output_activation
    if not spec.ngrams:
        return [*layers, Layer("output", f"dense, {last}", scores)]
    longest = "single tokens" if spec.ngrams == 1 else f"n-grams up to {spec.ngrams}"
    return [
        *layers,
        Layer("output", "dense", scores),
        Layer("ngrams", f"scores of {longest}", scores),
        Layer("ngram_bias", "added to these scores", scores),
        Layer("mean_of_scores", f"mean of both scores, {last}", scores),
    ]


def _dropout(name: str, share: float, shape: tuple[Any, ...]) -> Layer:
    return Layer(name, f"drops {share:.3g} of it while training", shape)


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
