"""Write a fitted classifier as an ONNX model, for programs without Keras and scikit-learn."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from sklstm import __version__
from sklstm._export.activations import LSTM_ACTIVATIONS
from sklstm._export.graph import Graph, Signature
from sklstm._export.network import add_answers, add_network
from sklstm._export.tokenizer import tokenizer_settings
from sklstm._network.initial import EMBEDDINGS, NGRAM_IDS
from sklstm._persistence import atomic_write
from sklstm._steps import split_steps
from sklstm.classifier import LSTMTextClassifier

if TYPE_CHECKING:
    import onnx

__all__ = ["to_onnx"]

# What a file of protobuf's can hold, less some room for all that is not a weight.
_MOST_BYTES = 2**31 - 2**20


def to_onnx(estimator: LSTMTextClassifier | Pipeline, path: str | os.PathLike[str]) -> list[Path]:
    """Write a fitted classifier as an ONNX model.

    The model takes token ids and gives what `predict_proba` and `predict` give. It needs an ONNX
    runtime and nothing of Python, Keras or scikit-learn. Of a pipeline, the settings and the
    vocabulary of its `TextSequencer` are written beside it, for a program that makes token ids of
    texts as that does.

    Parameters
    ----------
    estimator : LSTMTextClassifier or Pipeline
        A fitted classifier, or a fitted pipeline of `TextSequencer` and classifier.
    path : str or path-like
        Where the model is to be, such as "model.onnx". The settings of "model.onnx" are in
        "model.tokenizer.json". Files of these names are replaced.

    Returns
    -------
    files : list of Path
        What was written: the model, and for a pipeline the settings.

    Raises
    ------
    TypeError
        If `estimator` is something else, or its class labels are of a type that ONNX lacks.
    ValueError
        If ONNX has no such `activation`, if the weights are too large for a file, or if the
        `TextSequencer` calls functions. Nothing is written then.
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
    The input "ids" is an int32 array ``(n_documents, n_ids)``; zeros are padding, on either side,
    and numbers outside the vocabulary are the unknown token. It may have any width, unless
    ``mask_padding=False``. The output "probabilities" is a float32 array ``(n_documents,
    n_classes)``; "label" holds the class labels ``(n_documents,)``, or an int64 indicator
    ``(n_documents, n_labels)``. The property "classes" of the model is a JSON list of the classes
    in the order of the columns.

    With `WordVectors` the model holds the vectors of all words, not of those in the training texts
    only.

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
    sequencer, classifier = split_steps(estimator)
    _check_onnx()
    settings = b"" if sequencer is None else json.dumps(tokenizer_settings(sequencer)).encode()
    contents = {Path(path): _model(classifier, settings).SerializeToString()}
    if settings:
        contents[Path(path).with_suffix(".tokenizer.json")] = settings
    with atomic_write(*contents) as asides:
        for aside, content in zip(asides, contents.values(), strict=True):
            aside.write_bytes(content)
    return list(contents)


def _check_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(
            'to_onnx needs onnx, which is not installed; `pip install "sklstm[onnx]"`.'
        ) from error


def _plain_classes(classifier: LSTMTextClassifier) -> NDArray[Any]:
    """Return the class labels as bools, int64, float64 or str objects.

    Raises
    ------
    TypeError
        If they are something else.
    """
    classes = np.array(classifier.classes_.tolist())
    if classes.dtype.kind == "U":
        return classes.astype(object)
    if classes.dtype.kind not in "bif":
        kind = type(classifier.classes_.tolist()[0]).__name__
        raise TypeError(
            f"classes_ holds {classifier.classes_[0]!r:.60} ({kind}), and ONNX has no labels of "
            "that type. Fit on labels that are str, int, float or bool."
        )
    return classes


def _model(classifier: LSTMTextClassifier, settings: bytes) -> onnx.ModelProto:
    """Return the ONNX model of a fitted classifier, and of a tokenizer unless `settings` is empty.

    Raises
    ------
    ValueError
        If ONNX has no such activation.
    """
    spec, classes = classifier._spec, _plain_classes(classifier)
    if spec.activation not in LSTM_ACTIVATIONS:
        raise ValueError(
            f"activation={spec.activation!r} is none that the LSTM of ONNX has. It has "
            f"{', '.join(LSTM_ACTIVATIONS)}: fit with one of these."
        )
    weights, ngram_ids = _weights_by_id(classifier)
    spec = replace(spec, vocab_size=classifier.vocab_size_)
    graph = Graph()
    logits = add_network(graph, "ids", spec, weights, ngram_ids)
    label, shares = add_answers(graph, logits, spec, classes)
    documents, each_class = ("n_documents",), ("n_documents", len(classes))
    width = "n_ids" if spec.mask_padding else classifier.n_features_in_
    is_multilabel = classifier._is_multilabel
    label_like = (np.int64, each_class) if is_multilabel else (classes.dtype, documents)
    metadata = {"classes": json.dumps(classes.tolist())}
    if settings:
        # Tells a reader whether the two files belong together.
        metadata["tokenizer_sha256"] = hashlib.sha256(settings).hexdigest()
    return graph.to_model(
        [Signature("ids", np.int32, (*documents, width))],
        {
            Signature("label", *label_like): label,
            Signature("probabilities", np.float32, each_class): shares,
        },
        metadata,
        producer_name="sklstm",
        producer_version=__version__,
    )


def _weights_by_id(
    classifier: LSTMTextClassifier,
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.int32] | None]:
    """Return the weights with an embedding of each token id, and what n-grams are hashed by.

    Raises
    ------
    ValueError
        If they are too large for a file.
    """
    weights = classifier._by_id()
    numbers = weights.pop(NGRAM_IDS, None)
    n_bytes = sum(weight.nbytes for weight in weights.values())
    if n_bytes > _MOST_BYTES:
        raise ValueError(
            f"The weights take {n_bytes:,} bytes, and a file of ONNX holds {_MOST_BYTES:,}. "
            f"Fit with fewer words than the {len(weights[EMBEDDINGS]):,} that have a vector now: "
            "set max_words of WordVectors.load or max_tokens of TextSequencer."
        )
    return weights, None if numbers is None else numbers[:, 0].astype(np.int32)
