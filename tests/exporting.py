"""Classifiers with a fitted state, and the constants of a file, for the tests of the export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from conftest import PLAIN

from sklstm import LSTMTextClassifier
from sklstm._network.network import Network
from sklstm._network.spec import NetworkSpec

WIDTH = 9


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    """Return the constants of an ONNX model by name."""
    import onnx

    constants = onnx.load(path).graph.initializer
    return {constant.name: onnx.numpy_helper.to_array(constant) for constant in constants}


def with_random_weights(
    n_outputs=1, *, vocab_size=20, width=WIDTH, **parameters
) -> LSTMTextClassifier:
    """Return a classifier as if it were fitted: training would take longer and prove less.

    `n_outputs` is 1 for two classes, 3 for three, or "labels" for three labels.
    """
    parameters = {"units": (4,), "embedding_dim": 3} | parameters
    classifier = LSTMTextClassifier(**(PLAIN | parameters))
    needs_width = classifier.pooling == "flatten" or not classifier.mask_padding
    spec = NetworkSpec(
        vocab_size=vocab_size,
        n_outputs=3 if n_outputs == "labels" else n_outputs,
        output_activation="softmax" if n_outputs == 3 else "sigmoid",
        width=width if needs_width else None,
        **{"ngram_buckets": 64 if classifier.ngrams else 0} | parameters,
    )
    rng = np.random.default_rng(0)
    shapes = Network(spec).weight_shapes
    # Larger than those of training, so that a wrong network makes quite other scores.
    classifier.weights_ = {
        name: rng.normal(scale=0.7, size=shape).astype(np.float32) for name, shape in shapes.items()
    }
    classifier.classes_ = np.arange(max(spec.n_outputs, 2))
    classifier._is_multilabel = n_outputs == "labels"
    classifier.thresholds_ = np.full(3 if classifier._is_multilabel else 1, 0.5)
    classifier.vocab_size_, classifier.n_features_in_ = vocab_size, width
    classifier.embedding_ids_ = np.arange(vocab_size, dtype=np.int32)
    classifier._known_ids = np.ones(vocab_size, dtype=bool)
    classifier._architecture = asdict(spec)
    classifier._vectors = classifier._vector_scores = classifier._prefix_scores = None
    return classifier
