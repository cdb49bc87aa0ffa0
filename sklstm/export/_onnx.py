"""to_onnx: a fitted classifier as an ONNX model, and the settings of its tokenizer as JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline

from sklstm._network.embedding_table import FittedNetwork
from sklstm._network.hashed_ngrams import GAIN, HASH_FACTORS
from sklstm._network.pooling import POOLINGS, OnnxInputs
from sklstm._network.spec import (
    ACTIVATIONS,
    EMBEDDINGS,
    GATES,
    NGRAM_BIAS,
    NGRAM_IDS,
    NGRAM_WEIGHTS,
    Floats,
    NetworkSpec,
    Weights,
)
from sklstm._persistence import VERSION, atomic_write
from sklstm._validation import Labels
from sklstm._vocabulary import OOV_ID
from sklstm.classifier import LSTMTextClassifier
from sklstm.export._graph import Graph, Signature
from sklstm.pipeline import split_pipeline
from sklstm.sequencer import TextSequencer
from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

#: Version of the tokenizer settings; it changes if an older reader would compute other ids.
SETTINGS_FORMAT = 1

# Maximum size of a protobuf file, less some space for everything that is not a weight.
_MAX_BYTES = 2**31 - 2**20

# Order of the gates in the weights of the ONNX operator LSTM.
_ONNX_GATES = ("input", "output", "forget", "cell")

_CALLABLES = {
    "preprocessor": "set lowercase and strip_accents instead",
    "strip_accents": "pass 'ascii' or 'unicode'",
}
_WORD_CALLABLES = {
    "tokenizer": "define tokens by token_pattern",
    "stemmer": "leave words unchanged, with stemmer=None",
}


def to_onnx(estimator: LSTMTextClassifier | Pipeline, path: str | os.PathLike[str]) -> list[Path]:
    """Write a fitted classifier to an ONNX model.

    The model maps token ids to the results of `predict_proba` and `predict`. It needs an ONNX
    runtime, but not Python, Keras or scikit-learn. For a pipeline, the settings and the vocabulary
    of its `TextSequencer` are written to a second file, for programs that convert texts to the same
    token ids.

    Parameters
    ----------
    estimator : LSTMTextClassifier or Pipeline
        Fitted classifier, or fitted pipeline of `TextSequencer` and classifier.
    path : str or path-like
        Path of the model, such as "model.onnx". The settings for "model.onnx" are written to
        "model.tokenizer.json". Existing files are replaced.

    Returns
    -------
    files : list of Path
        The files that were written: the model, and for a pipeline the settings.

    Raises
    ------
    TypeError
        If `estimator` is anything else, or ONNX does not support the type of its class labels.
    ValueError
        If ONNX does not support its `activation`, if the weights are too large for a file, or if
        the `TextSequencer` calls functions. Nothing is written in these cases.
    NotFittedError
        If `estimator` is not fitted.
    ImportError
        If the package onnx is not installed.
    OSError
        If a file cannot be written.

    See Also
    --------
    LSTMTextClassifier.to_keras : The network as a Keras model.

    Notes
    -----
    The input "ids" is an int32 array ``(n_documents, n_ids)``. Zeros are padding, on either side,
    and ids outside the vocabulary are read as the out-of-vocabulary token. The width is arbitrary,
    unless ``mask_padding=False``. The output "probabilities" is a float32 array ``(n_documents,
    n_classes)``. The output "label" contains the class labels ``(n_documents,)``, or an int64
    indicator ``(n_documents, n_labels)``. The property "classes" of the model is a JSON list of the
    classes in the order of the columns.

    With `WordVectors` the model contains the vectors of all words, not only of those in the
    training texts.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer
    >>> from sklstm.export import to_onnx
    >>> model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=4, epochs=1))
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> files = to_onnx(model, Path(tempfile.mkdtemp()) / "model.onnx")
    >>> [file.name for file in files]
    ['model.onnx', 'model.tokenizer.json']
    """
    sequencer, classifier = split_pipeline(estimator)
    _check_onnx()
    settings = b"" if sequencer is None else json.dumps(tokenizer_settings(sequencer)).encode()
    classes = _plain_classes(classifier.classes_)
    model = _make_model(classifier._fitted_network(), classes, classifier.n_features_in_, settings)
    contents = {Path(path): model.SerializeToString()}
    if settings:
        contents[Path(path).with_suffix(".tokenizer.json")] = settings
    with atomic_write(*contents) as temporary:
        for file, content in zip(temporary, contents.values(), strict=True):
            file.write_bytes(content)
    return list(contents)


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'to_onnx needs onnx, which is not installed; `pip install "sklstm[onnx]"`.'
        ) from error


def _plain_classes(classes: Labels) -> Labels:
    """Return class labels as bools, int64, float64 or str objects.

    Raises
    ------
    TypeError
        If they have any other type.
    """
    plain = np.array(classes.tolist())
    if plain.dtype.kind == "U":
        return plain.astype(object)
    if plain.dtype.kind not in "bif":
        kind = type(classes.tolist()[0]).__name__
        raise TypeError(
            f"classes_ contains {classes[0]!r:.60} ({kind}), and ONNX does not support labels of "
            "that type. Fit on labels that are str, int, float or bool."
        )
    return plain


def _make_model(
    fitted: FittedNetwork, classes: Labels, width: int, settings: bytes
) -> onnx.ModelProto:
    """Return the ONNX model of a fitted network.

    Parameters
    ----------
    fitted : FittedNetwork
        The network.
    classes : ndarray of shape (n_classes,)
        Class labels that ONNX supports.
    width : int
        Ids per row of the training data. The model only fixes it if padding is not masked.
    settings : bytes
        Settings of the tokenizer; empty if there is none.

    Raises
    ------
    ValueError
        If ONNX does not support the activation.
    """
    spec = fitted.spec
    if ACTIVATIONS[spec.activation].onnx_lstm is None:
        supported = [name for name, activation in ACTIVATIONS.items() if activation.onnx_lstm]
        raise ValueError(
            f"activation={spec.activation!r} is not supported by the LSTM operator of ONNX. Fit "
            f"with one of {', '.join(supported)}."
        )
    weights = fitted.weights_by_id()
    _check_size(weights)
    spec = replace(spec, vocab_size=fitted.table.vocab_size)
    graph = Graph()
    logits = add_network(graph, "ids", spec, weights)
    label, probabilities = add_outputs(graph, logits, spec, classes)
    documents, by_class = ("n_documents",), ("n_documents", len(classes))
    is_multilabel = spec.output_activation == "sigmoid" and spec.n_outputs > 1
    label_type = (np.int64, by_class) if is_multilabel else (classes.dtype, documents)
    metadata = {"classes": json.dumps(classes.tolist())}
    if settings:
        # Readers can check that the two files belong together.
        metadata["tokenizer_sha256"] = hashlib.sha256(settings).hexdigest()
    return graph.to_model(
        [Signature("ids", np.int32, (*documents, "n_ids" if spec.mask_padding else width))],
        {
            Signature("label", *label_type): label,
            Signature("probabilities", np.float32, by_class): probabilities,
        },
        metadata,
        producer_name="sklstm",
        producer_version=VERSION,
    )


def _check_size(weights: Weights) -> None:
    """Raise an error if weights are too large for a file."""
    n_bytes = sum(weight.nbytes for name, weight in weights.items() if name != NGRAM_IDS)
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The weights take {n_bytes:,} bytes, and an ONNX file has at most {_MAX_BYTES:,}. "
            f"Fit with fewer words than the {len(weights[EMBEDDINGS]):,} that have a vector now: "
            "set max_words of WordVectors.load or max_tokens of TextSequencer."
        )


def add_network(graph: Graph, ids: str, spec: NetworkSpec, weights: Mapping[str, Floats]) -> str:
    """Add the nodes from token ids ``(n_documents, width)`` to logits ``(n_documents, n_outputs)``.

    Parameters
    ----------
    graph : Graph
        The graph that the nodes are added to.
    ids : str
        Name of an int32 value. If the network masks padding, it may be on either side. Ids outside
        the vocabulary are mapped to out-of-vocabulary.
    spec : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray of float32
        Weights by name, as returned by `FittedNetwork.weights_by_id`.

    Returns
    -------
    logits : str
    """
    ids = _map_to_vocabulary(graph, ids, spec.vocab_size)
    lengths = None
    if spec.mask_padding:
        ids, lengths = _left_align(graph, ids, spec.width)
    # From here on time comes first, as in the operator LSTM.
    steps = graph.add("Transpose", ids, perm=[1, 0])
    mask = None
    if lengths is not None:
        is_token = graph.cast(graph.cast(steps, np.bool_), np.float32)
        mask = graph.add("Unsqueeze", is_token, [2])
    x = graph.add("Gather", graph.constant(weights[EMBEDDINGS], EMBEDDINGS), steps)
    last = ""
    for number, _ in enumerate(spec.units, start=1):
        states, last = _add_lstm(graph, f"lstm_{number}", x, lengths, spec, weights)
        by_step = graph.add("Transpose", states, perm=[0, 2, 1, 3])
        x = graph.add("Reshape", by_step, [0, 0, -1])

    def dense(name: str, x: str) -> str:
        return _add_dense(graph, name, x, weights)

    pooling = POOLINGS[spec.pooling]
    x = pooling.onnx(OnnxInputs(graph, x, last, mask, spec.vector_size, dense))
    for number, _ in enumerate(spec.dense_units, start=1):
        x = ACTIVATIONS[spec.dense_activation].onnx(graph, dense(f"dense_{number}", x))
    logits = dense("output", x)
    if not spec.ngrams:
        return logits
    if NGRAM_IDS in weights:
        ids = graph.add("Gather", weights[NGRAM_IDS][:, 0].astype(np.int32), ids)
    by_ngrams = _add_ngram_scores(graph, ids, spec, weights)
    return graph.add("Mul", graph.add("Add", logits, by_ngrams), 0.5)


def add_outputs(graph: Graph, logits: str, spec: NetworkSpec, classes: Labels) -> tuple[str, str]:
    """Add the nodes from logits to the labels and probabilities that the classifier returns."""
    if spec.output_activation == "softmax":
        code = graph.add("ArgMax", logits, axis=1, keepdims=0)
        return graph.add("Gather", classes, code), graph.add("Softmax", logits, axis=1)
    probabilities = graph.add("Sigmoid", logits)
    codes = graph.cast(graph.add("Greater", logits, 0.0), np.int64)
    if spec.n_outputs > 1:
        return codes, probabilities
    label = graph.add("Gather", classes, graph.add("Squeeze", codes, [1]))
    complement = graph.add("Sub", 1.0, probabilities)
    return label, graph.add("Concat", complement, probabilities, axis=1)


def _map_to_vocabulary(graph: Graph, ids: str, vocab_size: int) -> str:
    is_known = graph.add(
        "And",
        graph.add("GreaterOrEqual", ids, np.int32(0)),
        graph.add("Less", ids, np.int32(vocab_size)),
    )
    return graph.add("Where", is_known, ids, np.int32(OOV_ID))


def _left_align(graph: Graph, ids: str, width: int | None) -> tuple[str, str]:
    """Move the padding of each row behind its tokens; return the ids and the tokens per row.

    The result has the given width, or else that of the longest row.
    """
    is_token = graph.cast(ids, np.bool_)
    n_before = graph.add("CumSum", graph.cast(is_token, np.int32), 1)
    is_padding = graph.add("Not", is_token)
    n_padding_before = graph.add("CumSum", graph.cast(is_padding, np.int32), 1)
    lengths = graph.add("ReduceSum", graph.cast(is_token, np.int32), [1], keepdims=1)
    behind = graph.add("Add", lengths, n_padding_before)
    place = graph.add("Sub", graph.add("Where", is_token, n_before, behind), np.int32(1))
    aligned = graph.add("ScatterElements", ids, place, ids, axis=1)
    lengths = graph.add("Squeeze", lengths, [1])
    if width is None:
        # At least one step, even if there are no tokens.
        longest = graph.add("Max", graph.add("ReduceMax", lengths), np.int32(1))
        end = graph.cast(graph.add("Reshape", longest, [1]), np.int64)
        return graph.add("Slice", aligned, [0], end, [1]), lengths
    padded = graph.add("Pad", aligned, [0, 0, 0, width])
    aligned = graph.add("Slice", padded, [0], [width], [1])
    return aligned, graph.add("Min", lengths, np.int32(width))


def _add_lstm(
    graph: Graph,
    name: str,
    x: str,
    lengths: str | None,
    spec: NetworkSpec,
    weights: Mapping[str, Floats],
) -> tuple[str, str]:
    """Add an LSTM layer on ``(width, n_documents, n_inputs)``.

    Returns
    -------
    states, last : str
        The states after each step ``(width, n_directions, n_documents, units)``, and the last one
        of each direction ``(n_documents, n_directions * units)``.
    """
    directions = [f"{name}/forward", f"{name}/backward"] if spec.bidirectional else [name]
    kernels = [_reorder_gates(weights[f"{path}/kernel"]).T for path in directions]
    recurrent = [_reorder_gates(weights[f"{path}/recurrent_kernel"]).T for path in directions]
    biases = [_reorder_gates(weights[f"{path}/bias"]) for path in directions]
    # The operator has a second bias, for the recurrent kernel.
    both_biases = [np.concatenate([bias, np.zeros_like(bias)]) for bias in biases]
    activation = ACTIVATIONS[spec.activation].onnx_lstm
    assert activation is not None
    parameters = {"activation_alpha": activation.alpha, "activation_beta": activation.beta}
    # One for the input and one for the output of the cell in each direction.
    n = 2 * len(directions)
    attributes = {key: [value] * n for key, value in parameters.items() if value is not None}
    states, last = graph.add_many(
        "LSTM",
        2,
        x,
        graph.constant(np.stack(kernels), f"{name}/kernel"),
        graph.constant(np.stack(recurrent), f"{name}/recurrent_kernel"),
        graph.constant(np.stack(both_biases), f"{name}/bias"),
        *([] if lengths is None else [lengths]),
        hidden_size=recurrent[0].shape[1],
        direction="bidirectional" if spec.bidirectional else "forward",
        activations=["Sigmoid", activation.name, activation.name] * len(directions),
        **attributes,
    )
    by_row = graph.add("Transpose", last, perm=[1, 0, 2])
    return states, graph.add("Reshape", by_row, [0, -1])


def _reorder_gates(array: Floats) -> Floats:
    """Reorder the gates of a kernel or bias from the order of Keras to that of ONNX."""
    by_gate = dict(zip(GATES, np.split(array, len(GATES), axis=-1), strict=True))
    return np.concatenate([by_gate[gate] for gate in _ONNX_GATES], axis=-1)


def _add_dense(graph: Graph, name: str, x: str, weights: Mapping[str, Floats]) -> str:
    """Add the product with a kernel, and the bias if there is one."""
    product = graph.add("MatMul", x, graph.constant(weights[f"{name}/kernel"], f"{name}/kernel"))
    bias = weights.get(f"{name}/bias")
    if bias is None:
        return product
    return graph.add("Add", product, graph.constant(bias, f"{name}/bias"))


def _add_ngram_scores(
    graph: Graph, ids: str, spec: NetworkSpec, weights: Mapping[str, Floats]
) -> str:
    """Score documents ``(n_documents, width)`` by their n-grams, as the Keras model does."""
    is_token = graph.add("Greater", ids, np.int32(0))
    key = is_ngram = ""
    keys, counts = [], []
    for shift, factor in enumerate(HASH_FACTORS[: spec.ngrams]):
        # Nothing overflows 64 bits.
        tokens = graph.cast(_shift(graph, ids, shift), np.int64)
        product = graph.add("Mul", tokens, factor)
        key = graph.add("Add", key, product) if shift else product
        follows = graph.add("Greater", tokens, 0)
        is_ngram = graph.add("And", is_ngram, follows) if shift else follows
        keys.append(_wrap_int32(graph, key))
        counts.append(graph.cast(is_ngram, np.float32))
    buckets = graph.add("Mod", graph.add("Concat", *keys, axis=1), spec.ngram_buckets)
    table = graph.constant(weights[NGRAM_WEIGHTS], NGRAM_WEIGHTS)
    is_counted = graph.add("Unsqueeze", graph.add("Concat", *counts, axis=1), [2])
    scores = graph.add("Mul", graph.add("Gather", table, buckets), is_counted)
    total = graph.add("ReduceSum", scores, [1], keepdims=0)
    n_tokens = graph.add("ReduceSum", graph.cast(is_token, np.float32), [1], keepdims=1)
    norm = graph.add("Sqrt", graph.add("Max", n_tokens, 1.0))
    normalized = graph.add("Div", graph.add("Mul", total, GAIN), norm)
    return graph.add("Add", normalized, graph.constant(weights[NGRAM_BIAS], NGRAM_BIAS))


def _shift(graph: Graph, ids: str, shift: int) -> str:
    """Shift each row to the left, and fill it up with zeros."""
    if not shift:
        return ids
    longer = graph.add("Pad", ids, [0, 0, 0, shift])
    return graph.add("Slice", longer, [shift], [np.iinfo(np.int64).max], [1])


def _wrap_int32(graph: Graph, key: str) -> str:
    """Wrap int64 values around as int32 arithmetic does."""
    unsigned = graph.add("Mod", graph.add("Add", key, 2**31), 2**32)
    return graph.add("Sub", unsigned, 2**31)


def tokenizer_settings(sequencer: TextSequencer) -> dict[str, object]:
    """Return everything that another program needs to compute the ids of a fitted sequencer.

    Raises
    ------
    ValueError
        If a parameter is a function, or there is a stemmer, which is one too.
    """
    callables = _CALLABLES | (_WORD_CALLABLES if sequencer.analyzer == "word" else {})
    for name, remedy in callables.items():
        value = getattr(sequencer, name)
        if callable(value) or (name == "stemmer" and value is not None):
            raise ValueError(
                f"{name}={value!r:.60} needs Python code, which cannot be exported. Export the "
                f"classifier alone and compute its ids yourself, or {remedy} and fit again."
            )
    stop_words = CountVectorizer(stop_words=sequencer.stop_words).get_stop_words()
    settings: dict[str, object] = {
        "format": SETTINGS_FORMAT,
        "lowercase": bool(sequencer.lowercase),
        "strip_accents": sequencer.strip_accents,
        "analyzer": sequencer.analyzer,
        "token_pattern": sequencer.token_pattern,
        "stop_words": sorted(stop_words or ()),
        "indexing": sequencer.indexing,
        "n_tokens": int(sequencer.n_tokens_),
        "max_len": int(sequencer.max_len_),
        "padding": sequencer.padding,
        "truncating": sequencer.truncating,
        "separator": sequencer.separator,
    }
    if sequencer.indexing == "vocabulary":
        settings["tokens"] = sequencer.tokens_.tolist()
        # The first tokens have a vector; other words are respelled as these.
        vectors = sequencer.vocabulary
        settings["n_vectors"] = len(vectors) if isinstance(vectors, WordVectors) else 0
    return settings
