"""to_onnx: export a fitted classifier to ONNX, and its tokenizer settings to JSON."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.pipeline import Pipeline

from sklstm import _tokens
from sklstm._network import spec
from sklstm._network.hashed_ngrams import GAIN, HASH_FACTORS, N_CHECKSUMS
from sklstm._network.pooling import POOLINGS, OnnxInputs
from sklstm._persistence import VERSION, atomic_write
from sklstm._validation import Labels
from sklstm._vocabulary import OOV_ID
from sklstm.classifier import LSTMTextClassifier
from sklstm.export._graph import Graph, Signature
from sklstm.export._quantize import quantize_int8
from sklstm.pipeline import split_pipeline
from sklstm.sequencer import TextSequencer, replaces_unknown
from sklstm.vectors import WordVectors

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

#: Version of the tokenizer settings; it changes if an older reader would compute other ids.
SETTINGS_FORMAT = 1

# Maximum size of a protobuf file, less some space for everything that is not a weight.
_MAX_BYTES = 2**31 - 2**20

# Row of each n-gram bucket in the tables of n-gram weights and checksums.
_NGRAM_ROWS = "ngram_rows"

# Order of the gates in the weights of the ONNX operator LSTM.
_ONNX_GATES = ("input", "output", "forget", "cell")

# Parameters of the sequencer that are copied.
_COPIED = ("strip_accents", "analyzer", "token_pattern", "indexing", "padding", "truncating")
_CALLABLES = {
    "preprocessor": "set lowercase and strip_accents instead",
    "strip_accents": "pass 'ascii' or 'unicode'",
}
_WORD_CALLABLES = {
    "tokenizer": "define tokens by token_pattern",
    "stemmer": "leave words unchanged, with stemmer=None",
}


def to_onnx(
    estimator: LSTMTextClassifier | Pipeline,
    path: str | os.PathLike[str],
    *,
    quantize: str | None = None,
) -> list[Path]:
    """Export a fitted classifier to an ONNX file.

    The ONNX model maps token ids to the results of `predict_proba` and `predict`. Running it
    requires an ONNX runtime, but not Python, Keras or scikit-learn. For a pipeline, a second file
    contains the settings and the vocabulary of the `TextSequencer`, with which other programs can
    convert texts to the same token ids.

    Parameters
    ----------
    estimator : LSTMTextClassifier or Pipeline
        Fitted classifier, or fitted pipeline of `TextSequencer` and classifier.
    path : str or path-like
        Path of the model, such as "model.onnx". The settings for "model.onnx" are written to
        "model.tokenizer.json". Existing files are replaced.
    quantize : {"int8"} or None, default=None
        "int8" stores the embeddings and the weights of the LSTM layers as 8-bit integers, which
        makes the file smaller and the probabilities less exact. They also depend slightly on the
        other documents in a call. The model then needs onnxruntime, because it contains the
        operator DynamicQuantizeLSTM, which is not part of ONNX. None stores all weights as float32.

    Returns
    -------
    files : list of Path
        The files that were written: the model and, for a pipeline, the tokenizer settings.

    Raises
    ------
    TypeError
        If `estimator` is not supported, or ONNX does not support the type of its class labels.
    ValueError
        If ONNX does not support its `activation`, if the weights are too large for an ONNX file, if
        a parameter of the `TextSequencer` needs Python code, or if `quantize` is not valid. No file
        is written in these cases.
    NotFittedError
        If `estimator` is not fitted.
    ImportError
        If the package onnx is not installed, or onnxruntime for ``quantize="int8"``.
    OSError
        If a file cannot be written.

    See Also
    --------
    LSTMTextClassifier.to_keras : The network as a Keras model.

    Notes
    -----
    The input "ids" is an int32 array ``(n_documents, n_ids)``. Zeros are padding, on either side,
    and ids outside the vocabulary are treated as the out-of-vocabulary token. The number of columns
    is arbitrary, unless ``mask_padding=False``. The output "probabilities" is a float32 array
    ``(n_documents, n_classes)``. The output "label" contains the class labels ``(n_documents,)``
    or, for multilabel data, an int64 indicator matrix ``(n_documents, n_labels)``. The model
    property "classes" is a JSON list of the classes in the order of the columns.

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
    if quantize not in (None, "int8"):
        raise ValueError(f"quantize={quantize!r:.60} must be 'int8' or None.")
    for package in ("onnx",) if quantize is None else ("onnx", "onnxruntime"):
        try:
            import_module(package)
        except ImportError as error:
            message = (
                f'to_onnx needs {package}, which is not installed; `pip install "sklstm[onnx]"`.'
            )
            raise ImportError(message) from error
    settings = b"" if sequencer is None else json.dumps(tokenizer_settings(sequencer)).encode()
    model = _make_model(classifier, settings)
    if quantize:
        model = quantize_int8(model, embeddings=spec.EMBEDDINGS)
    contents = {Path(path): model.SerializeToString()}
    if settings:
        contents[Path(path).with_suffix(".tokenizer.json")] = settings
    with atomic_write(*contents) as temporary:
        for file, content in zip(temporary, contents.values(), strict=True):
            file.write_bytes(content)
    return list(contents)


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
            f"classes_ contains {classes[0]!r:.60} ({kind}), which ONNX does not support. Fit on "
            "labels that are str, int, float or bool."
        )
    return plain


def _make_model(classifier: LSTMTextClassifier, settings: bytes) -> onnx.ModelProto:
    """Return the ONNX model of a fitted classifier.

    Parameters
    ----------
    classifier : LSTMTextClassifier
        The classifier.
    settings : bytes
        Settings of the tokenizer; empty if there is none.

    Raises
    ------
    TypeError
        If ONNX does not support the type of the classes.
    ValueError
        If ONNX does not support the activation, or the weights are too large for a file.
    """
    fitted, classes = classifier._fitted_network(), _plain_classes(classifier.classes_)
    network, weights = fitted.spec, _without_unused_buckets(fitted.weights_by_id())
    if spec.ACTIVATIONS[network.activation].onnx_lstm is None:
        supported = ", ".join(name for name, entry in spec.ACTIVATIONS.items() if entry.onnx_lstm)
        found = f"activation={network.activation!r} is not supported by the LSTM operator of ONNX"
        raise ValueError(f"{found}. Fit with one of {supported}.")
    n_bytes = sum(weight.nbytes for weight in weights.values())
    if n_bytes > _MAX_BYTES:
        raise ValueError(
            f"The weights take {n_bytes:,} bytes, and an ONNX file has at most {_MAX_BYTES:,}. Fit "
            f"with fewer words than {len(weights[spec.EMBEDDINGS]):,}: set max_words of "
            "WordVectors.load or max_tokens of TextSequencer."
        )
    graph = NetworkGraph(replace(network, vocab_size=fitted.table.vocab_size), weights)
    logits, thresholds = graph.add_network("ids"), logit(classifier.thresholds_)
    label, probabilities = graph.add_outputs(logits, classes, thresholds.astype(np.float32))
    documents, by_class = ("n_documents",), ("n_documents", len(classes))
    label_type = (np.int64, by_class) if classifier._is_multilabel else (classes.dtype, documents)
    metadata = {"classes": json.dumps(classes.tolist())}
    if settings:
        # Readers can check that the two files belong together.
        metadata["tokenizer_sha256"] = hashlib.sha256(settings).hexdigest()
    # Padding that is not masked fixes the width to that of the training data.
    width = "n_ids" if network.mask_padding else classifier.n_features_in_
    inputs = [Signature("ids", np.int32, (*documents, width))]
    outputs = {
        Signature("label", *label_type): label,
        Signature("probabilities", np.float32, by_class): probabilities,
    }
    producer = {"producer_name": "sklstm", "producer_version": VERSION}
    return graph.to_model(inputs, outputs, metadata, **producer)


def _without_unused_buckets(weights: spec.Weights) -> dict[str, NDArray[Any]]:
    """Remove the n-gram buckets without weight, most of them; `_NGRAM_ROWS` finds the others.

    The row of a bucket without weight is 0. Its weights are zeros, so its checksum is irrelevant.
    """
    if spec.NGRAM_WEIGHTS not in weights:
        return dict(weights)
    used = np.flatnonzero(weights[spec.NGRAM_WEIGHTS].any(axis=1))
    rows = np.zeros(len(weights[spec.NGRAM_WEIGHTS]), np.min_scalar_type(len(used)))
    rows[used] = np.arange(1, len(used) + 1)
    tables = {
        name: np.pad(weights[name][used], ((1, 0), (0, 0)))
        for name in (spec.NGRAM_WEIGHTS, spec.NGRAM_CHECKSUMS)
    }
    return {**weights, **tables, _NGRAM_ROWS: rows}


class NetworkGraph(Graph):
    """The ONNX graph of a network.

    Parameters
    ----------
    network : NetworkSpec
        The architecture.
    weights : mapping of str to ndarray of float32
        Weights by name, as returned by `FittedNetwork.weights_by_id`, without unused buckets.
    """

    def __init__(self, network: spec.NetworkSpec, weights: Mapping[str, NDArray[Any]]) -> None:
        super().__init__()
        self._network, self._weights = network, weights

    def add_network(self, ids: str) -> str:
        """Add the nodes from ids ``(n_documents, width)`` to logits ``(n_documents, n_outputs)``.

        Parameters
        ----------
        ids : str
            Name of an int32 value. If the network masks padding, it may be on either side. Ids
            outside the vocabulary are mapped to out-of-vocabulary.

        Returns
        -------
        logits : str
        """
        network = self._network
        is_positive = self.add("GreaterOrEqual", ids, np.int32(0))
        is_known = self.add("And", is_positive, self.add("Less", ids, np.int32(network.vocab_size)))
        ids = self.add("Where", is_known, ids, np.int32(OOV_ID))
        lengths = mask = None
        if network.mask_padding:
            ids, lengths = self._left_align(ids)
        # The operator LSTM expects time as the first axis.
        steps = self.add("Transpose", ids, perm=[1, 0])
        if network.mask_padding:
            is_token = self.cast(self.cast(steps, np.bool_), np.float32)
            mask = self.add("Unsqueeze", is_token, [2])
        x, last = self.add("Gather", self._weight(spec.EMBEDDINGS), steps), ""
        for number, _ in enumerate(network.units, start=1):
            states, last = self._add_lstm(f"lstm_{number}", x, lengths)
            by_step = self.add("Transpose", states, perm=[0, 2, 1, 3])
            x = self.add("Reshape", by_step, [0, 0, -1])
        inputs = OnnxInputs(self, x, last, mask, network.vector_size, self._add_dense)
        x = POOLINGS[network.pooling].onnx(inputs)
        for number, _ in enumerate(network.dense_units, start=1):
            x = spec.ACTIVATIONS[network.dense_activation].onnx(
                self, self._add_dense(f"dense_{number}", x)
            )
        logits = self._add_dense("output", x)
        if not network.ngrams:
            return logits
        return self.add("Mul", self.add("Add", logits, self._add_linear_scores(ids)), 0.5)

    def add_outputs(self, logits: str, classes: Labels, thresholds: spec.Floats) -> tuple[str, str]:
        """Add the nodes from logits to the labels and probabilities that the classifier returns.

        Parameters
        ----------
        logits : str
            Name of the logits ``(n_documents, n_outputs)``.
        classes : ndarray of shape (n_classes,)
            The class labels.
        thresholds : ndarray of float32 of shape (n_labels,) or (1,)
            Logit of each label from which on it is predicted, or of the second of two classes.

        Returns
        -------
        label, probabilities : str
            Names of the labels and probabilities.
        """
        if self._network.output_activation == "softmax":
            code = self.add("ArgMax", logits, axis=1, keepdims=0)
            return self.add("Gather", classes, code), self.add("Softmax", logits, axis=1)
        probabilities = self.add("Sigmoid", logits)
        codes = self.cast(self.add("Greater", logits, thresholds), np.int64)
        if self._network.n_outputs > 1:
            return codes, probabilities
        label = self.add("Gather", classes, self.add("Squeeze", codes, [1]))
        complement = self.add("Sub", 1.0, probabilities)
        return label, self.add("Concat", complement, probabilities, axis=1)

    def _weight(self, name: str) -> str:
        return self.constant(self._weights[name], name)

    def _left_align(self, ids: str) -> tuple[str, str]:
        """Move the padding of each row to its end; return the ids and the tokens per row.

        The result has the width of the network, or the width of the longest row if the network
        takes any width.
        """
        is_token = self.cast(ids, np.bool_)
        n_before = self.add("CumSum", self.cast(is_token, np.int32), 1)
        is_padding = self.add("Not", is_token)
        n_padding_before = self.add("CumSum", self.cast(is_padding, np.int32), 1)
        lengths = self.add("ReduceSum", self.cast(is_token, np.int32), [1], keepdims=1)
        behind = self.add("Add", lengths, n_padding_before)
        place = self.add("Sub", self.add("Where", is_token, n_before, behind), np.int32(1))
        aligned = self.add("ScatterElements", ids, place, ids, axis=1)
        lengths, width = self.add("Squeeze", lengths, [1]), self._network.width
        if width is None:
            # At least one step, even if there are no tokens.
            longest = self.add("Max", self.add("ReduceMax", lengths), np.int32(1))
            end = self.cast(self.add("Reshape", longest, [1]), np.int64)
            return self.add("Slice", aligned, [0], end, [1]), lengths
        padded = self.add("Pad", aligned, [0, 0, 0, width])
        aligned = self.add("Slice", padded, [0], [width], [1])
        return aligned, self.add("Min", lengths, np.int32(width))

    def _add_lstm(self, name: str, x: str, lengths: str | None) -> tuple[str, str]:
        """Add an LSTM layer on ``(width, n_documents, n_inputs)``.

        Returns
        -------
        states, last : str
            The states after each step ``(width, n_directions, n_documents, units)``, and the last
            one of each direction ``(n_documents, n_directions * units)``.
        """
        is_bidirectional = self._network.bidirectional
        paths = [f"{name}/forward", f"{name}/backward"] if is_bidirectional else [name]
        kernel, recurrent, bias = (
            np.stack([_reorder_gates(self._weights[f"{path}/{kind}"]).T for path in paths])
            for kind in ("kernel", "recurrent_kernel", "bias")
        )
        # The operator has a second bias, for the recurrent kernel.
        bias = np.concatenate([bias, np.zeros_like(bias)], axis=1)
        activation = spec.ACTIVATIONS[self._network.activation].onnx_lstm
        assert activation is not None
        parameters = {"activation_alpha": activation.alpha, "activation_beta": activation.beta}
        # One for the input and one for the output of the cell in each direction.
        n = 2 * len(paths)
        states, last = self.add_many(
            "LSTM",
            2,
            x,
            self.constant(kernel, f"{name}/kernel"),
            self.constant(recurrent, f"{name}/recurrent_kernel"),
            self.constant(bias, f"{name}/bias"),
            *([] if lengths is None else [lengths]),
            hidden_size=recurrent.shape[2],
            direction="bidirectional" if is_bidirectional else "forward",
            activations=["Sigmoid", activation.name, activation.name] * len(paths),
            **{key: [value] * n for key, value in parameters.items() if value is not None},
        )
        by_row = self.add("Transpose", last, perm=[1, 0, 2])
        return states, self.add("Reshape", by_row, [0, -1])

    def _add_dense(self, name: str, x: str) -> str:
        """Add the product with a kernel, and the bias if there is one."""
        product = self.add("MatMul", x, self._weight(f"{name}/kernel"))
        has_bias = f"{name}/bias" in self._weights
        return self.add("Add", product, self._weight(f"{name}/bias")) if has_bias else product

    def _add_linear_scores(self, ids: str) -> str:
        """Score documents ``(n_documents, width)`` by the linear model, as the Keras model does."""
        is_token = self.cast(self.add("Greater", ids, np.int32(0)), np.float32)
        total = self._add_ngram_scores(ids)
        if self._network.token_scores:
            scores = self.add("Gather", self._weight(spec.TOKEN_SCORES), ids)
            scores = self.add("Mul", scores, self.add("Unsqueeze", is_token, [2]))
            total = self.add("Add", total, self.add("ReduceSum", scores, [1], keepdims=0))
        n_tokens = self.add("ReduceSum", is_token, [1], keepdims=1)
        norm = self.add("Sqrt", self.add("Max", n_tokens, 1.0))
        normalized = self.add("Div", self.add("Mul", total, GAIN), norm)
        return self.add("Add", normalized, self._weight(spec.NGRAM_BIAS))

    def _add_ngram_scores(self, ids: str) -> str:
        """Sum the weights of the n-grams of each document."""
        if spec.NGRAM_IDS in self._weights:
            ids = self.add("Gather", self._weights[spec.NGRAM_IDS][:, 0].astype(np.int32), ids)
        key = is_ngram = ""
        keys, are_ngrams = [], []
        for shift, factor in enumerate(HASH_FACTORS[: self._network.ngrams]):
            # Nothing overflows 64 bits.
            tokens = self.cast(self._shift(ids, shift), np.int64)
            product = self.add("Mul", tokens, factor)
            key = self.add("Add", key, product) if shift else product
            follows = self.add("Greater", tokens, 0)
            is_ngram = self.add("And", is_ngram, follows) if shift else follows
            # Wrap around as int32 arithmetic does.
            unsigned = self.add("Mod", self.add("Add", key, 2**31), 2**32)
            keys.append(self.add("Sub", unsigned, 2**31))
            are_ngrams.append(is_ngram)
        all_keys, n_buckets = self.add("Concat", *keys, axis=1), self._network.ngram_buckets
        buckets = self.add("Mod", all_keys, n_buckets)
        quotients = self.add("Div", self.add("Sub", all_keys, buckets), n_buckets)
        checksums = self.cast(self.add("Mod", quotients, N_CHECKSUMS), np.float32)
        rows = self.cast(self.add("Gather", self._weight(_NGRAM_ROWS), buckets), np.int32)
        of_rows = self.add("Gather", self._weights[spec.NGRAM_CHECKSUMS][:, 0], rows)
        is_own = self.add("Equal", checksums, of_rows)
        has_weight = self.add("Or", is_own, self.add("Less", of_rows, 0.0))
        is_ngram = self.add("And", self.add("Concat", *are_ngrams, axis=1), has_weight)
        is_counted = self.add("Unsqueeze", self.cast(is_ngram, np.float32), [2])
        logits = self.add("Gather", self._weight(spec.NGRAM_WEIGHTS), rows)
        return self.add("ReduceSum", self.add("Mul", logits, is_counted), [1], keepdims=0)

    def _shift(self, ids: str, shift: int) -> str:
        """Shift each row to the left, and fill it up with zeros."""
        if not shift:
            return ids
        longer = self.add("Pad", ids, [0, 0, 0, shift])
        return self.add("Slice", longer, [shift], [np.iinfo(np.int64).max], [1])


def _reorder_gates(array: spec.Floats) -> spec.Floats:
    """Reorder the gates of a kernel or bias from the order of Keras to that of ONNX."""
    by_gate = dict(zip(spec.GATES, np.split(array, len(spec.GATES), axis=-1), strict=True))
    return np.concatenate([by_gate[gate] for gate in _ONNX_GATES], axis=-1)


def tokenizer_settings(sequencer: TextSequencer) -> dict[str, object]:
    """Return everything that another program needs to compute the ids of a fitted sequencer.

    Raises
    ------
    ValueError
        If a parameter is a function, or if there is a stemmer, which also needs Python code.
    """
    callables = _CALLABLES | (_WORD_CALLABLES if sequencer.analyzer == "word" else {})
    for name, remedy in callables.items():
        value = getattr(sequencer, name)
        if callable(value) or (name == "stemmer" and value is not None):
            raise ValueError(
                f"{name}={value!r:.60} needs Python code, which cannot be exported. Export the "
                f"classifier alone and compute its ids yourself, or {remedy} and fit again."
            )
    normalize = _tokens.choose_normalization(
        analyzer=sequencer.analyzer, tokenizer=None, token_pattern=sequencer.token_pattern
    )
    has_words = normalize is _tokens.normalize_words
    stop_words = CountVectorizer(stop_words=sequencer.stop_words).get_stop_words() or ()
    settings = {name: getattr(sequencer, name) for name in _COPIED} | {
        "format": SETTINGS_FORMAT,
        "lowercase": bool(sequencer.lowercase),
        # Replacements in the lower-case text, which is then converted to NFC.
        "normalization": _tokens.WORD_NORMALIZATION if has_words else _tokens.NORMALIZATION,
        "stop_words": sorted(map(normalize, stop_words)),
        "n_tokens": int(sequencer.n_tokens_),
        "max_len": int(sequencer.max_len_),
        "separator": sequencer.separator,
    }
    if sequencer.indexing == "vocabulary":
        settings["tokens"] = sequencer.tokens_.tolist()
        settings["handle_unknown"] = "prefix" if replaces_unknown(sequencer) else "oov"
        # The first tokens have a vector; `_tokens.respell` maps other words to them.
        vectors = sequencer.vocabulary
        settings["n_vectors"] = len(vectors) if isinstance(vectors, WordVectors) else 0
        settings["vector_parts"] = _tokens.TREEBANK_PATTERN
    return settings
