"""Describe the layers of a network, for `summary` and `NetworkDisplay`."""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from sklstm._network.pooling import POOLINGS
from sklstm._network.spec import Floats, NetworkSpec

_HEADER = ("layer", "description", "output shape", "weights", "trained")


class Layer(NamedTuple):
    """A layer of a network.

    Attributes
    ----------
    name : str
        Name of the layer, which is also the first part of the names of its weights.
    description : str
        Short description of the layer.
    shape : tuple of str or int
        Shape of its output.
    n_weights : int
        Number of weights.
    is_trained : bool
        Whether training changes the weights.
    is_dropout : bool
        Whether it is only active in training.
    part_of : str
        Name of the layer whose box in a diagram includes this layer; empty for a separate box.
    """

    name: str
    description: str
    shape: tuple[str | int, ...]
    n_weights: int = 0
    is_trained: bool = True
    is_dropout: bool = False
    part_of: str = ""

    @property
    def shape_text(self) -> str:
        """The shape as text, such as "(n_documents, 64)"."""
        return f"({', '.join(map(str, self.shape))})"


def network_layers(spec: NetworkSpec, weights: Mapping[str, Floats]) -> list[Layer]:
    """Return the layers of a network in the order of the forward pass.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray
        Weights by name.
    """
    sizes: Counter[str] = Counter()
    for name, array in weights.items():
        sizes[name.split("/")[0]] += array.size
    return [layer._replace(n_weights=sizes[layer.name]) for layer in _layers(spec)]


def _layers(spec: NetworkSpec) -> list[Layer]:
    sequence = ("n_documents", spec.width or "n_tokens")
    vectors, is_trained = (*sequence, spec.embedding_dim), spec.trainable_embeddings
    layers = [Layer("embedding", "a vector for each token", vectors, is_trained=is_trained)]
    layers += _dropout("embedding_dropout", spec.embedding_dropout, vectors)
    for number, units in enumerate(spec.units, start=1):
        n_outputs = units * (2 if spec.bidirectional else 1)
        directions = " in each direction" if spec.bidirectional else ""
        description = f"LSTM, {units} units{directions}"
        layers.append(Layer(f"lstm_{number}", description, (*sequence, n_outputs)))
        layers += _dropout(f"dropout_{number}", spec.dropout, (*sequence, n_outputs))
    pooling = POOLINGS[spec.pooling]
    layers += [
        Layer(layer.name, layer.description, (*sequence, layer.units), part_of="pooling")
        for layer in pooling.dense_layers(spec.lstm_outputs)
    ]
    layers.append(Layer("pooling", pooling.description, ("n_documents", spec.vector_size)))
    for number, units in enumerate(spec.dense_units, start=1):
        shape = ("n_documents", units)
        layers.append(Layer(f"dense_{number}", f"dense, {spec.dense_activation}", shape))
        layers += _dropout(f"dense_dropout_{number}", spec.dense_dropout, shape)
    scores, activation = ("n_documents", spec.n_outputs), spec.output_activation
    if not spec.ngrams:
        return [*layers, Layer("output", f"dense, {activation}", scores)]
    ngrams = "single tokens" if spec.ngrams == 1 else f"n-grams of up to {spec.ngrams} tokens"
    return [
        *layers,
        Layer("output", "dense", scores),
        Layer("ngrams", f"scores of {ngrams}", scores),
        Layer("ngram_checksums", "n-gram of each weight", scores, part_of="ngrams"),
        *(
            [Layer("token_scores", "scores of prefixes and vectors", scores, part_of="ngrams")]
            if spec.token_scores
            else []
        ),
        Layer("ngram_bias", "bias of these scores", scores, part_of="ngrams"),
        Layer("mean_of_scores", f"mean of both scores, {activation}", scores),
    ]


def _dropout(name: str, rate: float, shape: tuple[str | int, ...]) -> list[Layer]:
    description = f"drops {rate:.3g} of its input in training"
    return [Layer(name, description, shape, is_dropout=True)] if rate else []


class _Printer(Protocol):
    """The pretty printer of IPython."""

    def text(self, text: str) -> None:
        """Print text."""


class Summary(str):
    """A table as text, which notebooks show as an HTML table.

    Parameters
    ----------
    text : str
        The table as text.
    markup : str
        The table as HTML.
    """

    markup: str

    def __new__(cls, text: str, markup: str = "") -> Summary:
        """Create the string, and attach the HTML."""
        summary = super().__new__(cls, text)
        summary.markup = markup
        return summary

    def _repr_html_(self) -> str:
        return self.markup

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        printer.text(str(self))


def summarize(spec: NetworkSpec, weights: Mapping[str, Floats]) -> Summary:
    """Return a table of the layers of a network.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray
        Weights by name.
    """
    layers = network_layers(spec, weights)
    rows: list[tuple[str, ...]] = []
    for layer in layers:
        trained = "yes" if layer.is_trained else "no"
        numbers = (f"{layer.n_weights:,}", trained) if layer.n_weights else ("-", "-")
        rows.append((layer.name, layer.description, layer.shape_text, *numbers))
    n_weights = sum(layer.n_weights for layer in layers)
    n_frozen = sum(layer.n_weights for layer in layers if not layer.is_trained)
    total = f"Total params: {n_weights:,}"
    if n_frozen:
        total += f", of which not trained: {n_frozen:,}"
    return Summary(_text(rows, total), _markup(rows, total))


def _text(rows: list[tuple[str, ...]], total: str) -> str:
    widths = [max(map(len, column)) for column in zip(_HEADER, *rows, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        columns = zip(cells, ("<", "<", "<", ">", "<"), widths, strict=True)
        return "  ".join(f"{cell:{side}{width}}" for cell, side, width in columns).rstrip()

    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return "\n".join([line(_HEADER), rule, *map(line, rows), rule, total])


def _markup(rows: list[tuple[str, ...]], total: str) -> str:
    """Return the table as HTML, in the colors of the notebook's theme."""

    def line(cells: tuple[str, ...], tag: str) -> str:
        columns = zip(cells, ("left", "left", "left", "right", "left"), strict=True)
        start = f'<{tag} style="text-align: '
        row = [f'{start}{side}">{html.escape(cell)}</{tag}>' for cell, side in columns]
        return f"<tr>{''.join(row)}</tr>"

    end = f'<td colspan="{len(_HEADER)}" style="text-align: left">{html.escape(total)}</td>'
    body = "".join(line(row, "td") for row in rows)
    return (
        '<table style="color: inherit">'
        f"<thead>{line(_HEADER, 'th')}</thead><tbody>{body}</tbody>"
        f"<tfoot><tr>{end}</tr></tfoot></table>"
    )
