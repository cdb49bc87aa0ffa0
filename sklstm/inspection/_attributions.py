"""Contributions of tokens to scores: integrated gradients, exact n-gram scores, occlusion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.base import BaseEstimator
from sklearn.utils import check_array, check_scalar, gen_batches

from sklstm._base import BaseTextClassifier
from sklstm._network.embedding_table import FittedNetwork, network_inputs
from sklstm._network.hashed_ngrams import GAIN, has_weight, hash_ngrams, map_unseen_to_oov
from sklstm._network.spec import (
    NGRAM_BIAS,
    NGRAM_CHECKSUMS,
    NGRAM_WEIGHTS,
    TOKEN_SCORES,
    Floats,
    Ids,
    NetworkSpec,
    Weights,
)
from sklstm._validation import Labels, check_ids
from sklstm._vocabulary import OOV_ID
from sklstm.inspection._integrated_gradients import TOLERANCE, integrated_gradients
from sklstm.pipeline import split_pipeline
from sklstm.sequencer import TextSequencer

_Doubles = NDArray[np.float64]
#: Column of a score, by document.
_Codes = NDArray[np.int64]

_METHODS = ("integrated_gradients", "occlusion")
# Maximum number of occluded documents per call.
_MAX_VARIANTS = 4096
# Probabilities are clipped, because float32 cannot distinguish values closer to 0 or 1.
_MIN_PROBABILITY = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, eq=False)
class TokenAttributions:
    """Contribution of each token of a document to the score of a class.

    Attributes
    ----------
    tokens : ndarray of str or int of shape (n_tokens,)
        The tokens without padding, or their ids if there is no sequencer.
    values : ndarray of float64 of shape (n_tokens,)
        Contribution of each token to `score`, in logits; negative if it opposes `target`.
    target : object
        The class, as in ``classes_``.
    score : float
        The logit of `target`: the value of `decision_function`, or its negative for the first of
        two classes. For a classifier without `decision_function`, the log-odds of `target`.
    baseline_score : float
        The score of the baseline input, in which all embedding vectors are zero or, with occlusion,
        all tokens are out-of-vocabulary. Integrated gradients sum to ``score - baseline_score``.
    """

    tokens: NDArray[np.generic]
    values: _Doubles
    target: object
    score: float
    baseline_score: float


def token_attributions(
    estimator: BaseEstimator,
    X: object,
    *,
    target: object = None,
    method: str = "integrated_gradients",
    n_steps: int = 30,
) -> list[TokenAttributions]:
    """Compute the contribution of each token to the score of a class.

    Parameters
    ----------
    estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
        Fitted classifier, or fitted pipeline of `TextSequencer` and classifier. Occlusion supports
        any classifier with `decision_function` or `predict_proba`, such as `KerasTextClassifier`.
    X : list, Series or array
        Texts for a pipeline, token ids for a classifier.
    target : object, default=None
        A class or, for multilabel data, a label, as in ``classes_``. None selects the predicted
        class of each document or, for multilabel data, its most probable label.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        "integrated_gradients" [1]_ integrates the gradient of the score along a path that scales
        the embedding vectors of all tokens from zero to their values. The values sum to the change
        of the score along the path. "occlusion" [2]_ replaces one token at a time with the
        out-of-vocabulary token; the value of the token is the decrease of the score.
    n_steps : int, default=30
        Initial number of gradients per document for integrated gradients, which is the number of
        points of a Gauss-Legendre quadrature. If the values of a document do not sum to the
        difference of its scores, the segments of the path with the largest errors are halved and
        integrated again.

    Returns
    -------
    attributions : list of TokenAttributions, length n_documents
        One element per document: tokens, their values in logits, the class, its score, and the
        score of the baseline input.

    Raises
    ------
    TypeError
        If `estimator` is not supported, or `n_steps` is not an integer.
    ValueError
        If `target` or `method` does not exist, `n_steps` is not positive, or X is invalid.
    NotFittedError
        If `estimator` is not fitted.

    Warns
    -----
    ConvergenceWarning
        If the sum of the integrated gradients of a document differs from ``score -
        baseline_score`` by more than 1 % and by more than 0.001 logits.

    See Also
    --------
    TokenAttributionDisplay : Plots the attributions of a text.
    lstm_states : Gates and states for each token.
    LSTMTextClassifier.decision_function : The scores.

    Notes
    -----
    **Integrated gradients.** The baseline input has the same number of tokens, but all their
    vectors are zero. No real text has these vectors, and `baseline_score` is rarely zero. The
    values of a document sum to ``score - baseline_score`` with an error of at most 1 % or 0.001
    logits, whichever is greater. With ``mask_padding=False``, the padding keeps its vectors in the
    baseline input, and no contribution is attributed to it.

    With `ngrams`, the score is the mean of the LSTM score and the n-gram score. The n-gram score is
    a sum over n-grams. Each term is divided equally among the tokens of the n-gram, so this half of
    the attribution is exact. The baseline input has no n-grams.

    **Occlusion.** Each occluded token is replaced with the out-of-vocabulary token (id 1), so that
    all other tokens keep their positions. In the baseline input all tokens are out-of-vocabulary.
    The values do not sum to ``score - baseline_score``: if two tokens have the same meaning,
    occluding only one of them may not change the score. The cost is one prediction per token. The
    score is the value of `decision_function` or, for classifiers without this method, the log-odds
    computed from `predict_proba`.

    Neither method predicts the effect of replacing a token with another word.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly and Q. Yan (2017). `Axiomatic Attribution for Deep Networks
           <https://proceedings.mlr.press/v70/sundararajan17a.html>`_. ICML, 3319-3328.
    .. [2] M. D. Zeiler and R. Fergus (2014). `Visualizing and Understanding Convolutional Networks
           <https://doi.org/10.1007/978-3-319-10590-1_53>`_. ECCV, 818-833.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, token_attributions
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> classifier = LSTMTextClassifier(units=8, epochs=20, learning_rate=0.02, random_state=0)
    >>> model = make_pipeline(TextSequencer(), classifier)
    >>> model = model.fit(texts, ["good", "bad", "good", "bad"])
    >>> (found,) = token_attributions(model, ["a fine film"])
    >>> found.target
    'good'
    >>> str(found.tokens[found.values.argmax()])
    'fine'
    >>> difference = found.score - found.baseline_score
    >>> bool(abs(found.values.sum() - difference) <= 0.01 * difference)
    True
    """
    return attribute_documents(estimator, X, target, method, n_steps, TOLERANCE)


def split_by_method(estimator: BaseEstimator, method: str) -> tuple[TextSequencer | None, Any]:
    """Return the sequencer, if there is one, and the classifier, if `method` supports it.

    Raises
    ------
    TypeError
        If `method` does not support the classifier.
    ValueError
        If there is no such method.
    NotFittedError
        If `estimator` is not fitted.
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r:.60} must be one of {', '.join(map(repr, _METHODS))}.")
    if method == "occlusion":
        return split_pipeline(estimator, any_classifier=True)
    return split_pipeline(estimator, hint="method='occlusion' supports other classifiers")


def attribute_documents(
    estimator: BaseEstimator, X: object, target: object, method: str, n_steps: int, tolerance: float
) -> list[TokenAttributions]:
    """Compute token attributions with a given tolerance of integrated gradients.

    Parameters
    ----------
    estimator, X, target, method, n_steps
        As in `token_attributions`.
    tolerance : float
        Tolerated error of integrated gradients, as in `integrated_gradients`.
    """
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    sequencer, classifier = split_by_method(estimator, method)
    ids = read_ids(sequencer, classifier, X)
    score = partial(_class_scores, classifier)
    scores, labels = score(ids), python_labels(classifier.classes_)
    if target is None:
        codes = _predicted_codes(classifier, scores)
    else:
        codes = np.full(len(ids), _target_code(labels, target))
    if method == "occlusion":
        values, baselines = _occlude(score, ids, codes)
    else:
        fitted = classifier._fitted_network()
        values, baselines = _integrate(fitted, ids, codes, n_steps, tolerance)
    targets, of_targets = [labels[code] for code in codes], scores[np.arange(len(ids)), codes]
    tokens = token_names(sequencer, ids)
    columns = (tokens, values, targets, of_targets.tolist(), baselines.tolist())
    return [TokenAttributions(*document) for document in zip(*columns, strict=True)]


def read_ids(sequencer: TextSequencer | None, classifier: BaseEstimator, X: object) -> Ids:
    """Return documents as rows of token ids.

    Raises
    ------
    TypeError, ValueError
        If X is not valid input of the sequencer or classifier.
    """
    if sequencer is not None:
        X = sequencer.transform(X)
    if isinstance(classifier, BaseTextClassifier):
        return check_ids(classifier, X)
    return np.asarray(check_array(X, dtype=np.int32, input_name="X"))


def token_names(
    sequencer: TextSequencer | None, ids: Ids, *, keep_padding: bool = False
) -> list[NDArray[np.generic]]:
    """Return the tokens of each row, or their ids if the tokens are not known."""
    names = getattr(sequencer, "tokens_", None)
    rows = [row if keep_padding else row[row != 0] for row in ids]
    return [row if names is None else names[row] for row in rows]


def _class_scores(classifier: BaseEstimator, ids: Ids) -> _Doubles:
    """Return the logit or log-odds of each class, ``(n_documents, n_classes)``."""
    names = getattr(classifier, "feature_names_in_", None)
    # A classifier that was fitted with names of the columns warns if there are none.
    X = ids if names is None else pd.DataFrame(ids, columns=names)
    if hasattr(classifier, "decision_function"):
        scores = np.asarray(classifier.decision_function(X), dtype=np.float64)
        return np.stack([-scores, scores], axis=1) if scores.ndim == 1 else scores
    probabilities = np.asarray(classifier.predict_proba(X), dtype=np.float64)
    probabilities = np.clip(probabilities, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.asarray(logit(probabilities))


def _predicted_codes(classifier: BaseEstimator, scores: _Doubles) -> _Codes:
    """Return the column of the predicted class in the scores, or of the most probable label."""
    thresholds = getattr(classifier, "thresholds_", None)
    if thresholds is None or classifier._is_multilabel or scores.shape[1] > 2:
        return scores.argmax(axis=1)
    return (scores[:, 1] > logit(thresholds[0])).astype(np.int64)


def _target_code(labels: Sequence[object], target: object) -> int:
    """Return the column of the target in the scores.

    Raises
    ------
    ValueError
        If the target is not a class.
    """
    for code, label in enumerate(labels):
        if np.ndim(label == target) == 0 and bool(label == target):
            return code
    similar = get_close_matches(str(target), map(str, labels), n=1)
    hint = f"; did you mean {similar[0]!r}?" if similar else "."
    listed = ", ".join(map(repr, labels[:20])) + (", ..." if len(labels) > 20 else "")
    raise ValueError(f"target={target!r:.60} must be one of the classes {listed}{hint}")


def python_labels(classes: Labels) -> list[object]:
    """Return the classes, with NumPy scalars converted to Python objects."""
    scalars = (np.str_, np.bool_, np.number)
    return [label.item() if isinstance(label, scalars) else label for label in classes]


def _integrate(
    fitted: FittedNetwork, ids: Ids, codes: _Codes, n_steps: int, tolerance: float
) -> tuple[list[_Doubles], _Doubles]:
    """Return integrated gradients of each token, and the scores of the baseline inputs."""
    rows, spec, weights = fitted.resolve(ids)
    inputs, lengths = network_inputs(rows, spec)
    if spec.n_outputs == 1:
        output_weights = np.where(codes == 1, 1.0, -1.0)[:, None].astype(np.float32)
    else:
        output_weights = np.eye(spec.n_outputs, dtype=np.float32)[codes]
    values, baselines = np.zeros(inputs.shape), np.zeros(len(inputs))
    if spec.ngrams:
        # The score is the mean of the LSTM score and the n-gram score.
        output_weights /= 2
        values, baselines = _split_linear_scores(spec, weights, inputs, output_weights)
    lstm_values, lstm_baselines = integrated_gradients(
        spec, weights, inputs, lengths, output_weights, values.sum(axis=1), n_steps, tolerance
    )
    values += lstm_values
    of_tokens = [of_document[row != 0] for of_document, row in zip(values, inputs, strict=True)]
    return of_tokens, baselines + lstm_baselines


def _split_linear_scores(
    spec: NetworkSpec, weights: Weights, inputs: Ids, output_weights: Floats
) -> tuple[_Doubles, _Doubles]:
    """Divide the score of each n-gram equally among its tokens.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    weights : dict of str to ndarray of float32
        Weights by name.
    inputs : ndarray of int32 of shape (n_documents, width)
        Rows of the embedding matrix, as returned by `network_inputs`.
    output_weights : ndarray of float32 of shape (n_documents, n_outputs)
        Weight of each logit in the score.

    Returns
    -------
    values : ndarray of float64 of shape (n_documents, width)
        Score of the n-grams at each position.
    baselines : ndarray of float64 of shape (n_documents,)
        N-gram score of a document without n-grams.
    """
    values = np.zeros(inputs.shape)
    rows, inputs = inputs, map_unseen_to_oov(inputs, spec.ngram_rows, np)
    for length in range(1, spec.ngrams + 1):
        buckets, checksums, is_ngram = hash_ngrams(inputs, length, spec.ngram_buckets, np)
        is_ngram &= has_weight(checksums, weights[NGRAM_CHECKSUMS][buckets, 0], np)
        logits = weights[NGRAM_WEIGHTS][buckets]
        scores = np.einsum("nwo,no->nw", logits, output_weights, dtype=np.float64)
        scores *= is_ngram / length
        for shift in range(length):
            values[:, shift:] += scores[:, : scores.shape[1] - shift]
    if spec.token_scores:
        values += np.einsum("nwo,no->nw", weights[TOKEN_SCORES][rows], output_weights) * (rows > 0)
    n_tokens = np.maximum((inputs > 0).sum(axis=1, keepdims=True), 1)
    bias = weights[NGRAM_BIAS][0].astype(np.float64)
    return values * GAIN / np.sqrt(n_tokens), output_weights @ bias


def _occlude(
    score: Callable[[Ids], _Doubles], ids: Ids, codes: _Codes
) -> tuple[list[_Doubles], _Doubles]:
    """Return the decrease of the score if each token is replaced with out-of-vocabulary.

    Parameters
    ----------
    score : callable
        Maps ids ``(n, width)`` to scores ``(n, n_classes)``.
    ids : ndarray of int32 of shape (n_documents, width)
        Token ids.
    codes : ndarray of int64 of shape (n_documents,)
        Column of the score of each document.

    Returns
    -------
    values : list of ndarray of float64 of shape (n_tokens,)
        One array per document.
    baselines : ndarray of float64 of shape (n_documents,)
        The scores with all tokens replaced.
    """
    values, baselines = [], []
    for block in gen_batches(len(ids), max(1, _MAX_VARIANTS // (2 + ids.shape[1]))):
        variants = [_variants(row) for row in ids[block]]
        counts = [len(rows) for rows in variants]
        scores = score(np.concatenate(variants))
        of_target = scores[np.arange(len(scores)), np.repeat(codes[block], counts)]
        for original, baseline, *occluded in np.split(of_target, np.cumsum(counts)[:-1]):
            values.append(original - np.array(occluded))
            baselines.append(baseline)
    return values, np.array(baselines)


def _variants(row: Ids) -> Ids:
    """Return a document, the document with all tokens replaced, and with each one replaced."""
    positions = np.flatnonzero(row)
    rows = np.tile(row, (2 + len(positions), 1))
    rows[1, positions] = OOV_ID
    rows[np.arange(2, len(rows)), positions] = OOV_ID
    return rows
