"""See inside a fitted classifier: what its gates did, which tokens decided, which are alike."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline
from sklearn.utils import check_scalar

from sklstm._fit import network_inputs
from sklstm._inspection.integrated import integrated_gradients
from sklstm._inspection.neighbours import id_of, similarities
from sklstm._inspection.ngram_shares import ngram_shares
from sklstm._inspection.occlusion import occlude
from sklstm._inspection.results import LSTMStates, TokenAttributions
from sklstm._inspection.scores import (
    choose_classes,
    class_scores,
    plain_labels,
    read_ids,
    tokens_of,
)
from sklstm._inspection.states import QUANTITIES, layer_states
from sklstm._steps import split_steps
from sklstm.classifier import LSTMTextClassifier

__all__ = [
    "LSTMStates",
    "TokenAttributions",
    "lstm_states",
    "nearest_tokens",
    "token_attributions",
]

_METHODS = ("integrated_gradients", "occlusion")


def lstm_states(
    estimator: LSTMTextClassifier | Pipeline, X: Any, *, layer: int = 0
) -> list[LSTMStates]:
    r"""Return gates, candidate, cell and hidden state of an LSTM layer at each token.

    Parameters
    ----------
    estimator : LSTMTextClassifier or Pipeline
        A fitted classifier, or a fitted pipeline of `TextSequencer` and classifier.
    X : list, Series or array
        Texts for a pipeline; for a classifier token ids of shape (n_documents, n_features_in_).
    layer : int, default=0
        Which LSTM layer: counted from 0, that reads the tokens; negative from the last one.

    Returns
    -------
    states : list of LSTMStates, length n_documents
        Arrays of float32 of shape (n_tokens, n_units), a row for each token.

    Raises
    ------
    TypeError
        If `estimator` is something else, or `layer` is no int.
    ValueError
        If there is no such layer, or X is not what `estimator` predicts from.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    token_attributions : What each token adds to a score.
    LSTMTextClassifier.transform : The pooled vector of each document.

    Notes
    -----
    At step t the layer reads :math:`x_t`, the vector of a token or what the layer below gives for
    it, with its last hidden state :math:`h_{t-1}` and cell state :math:`c_{t-1}`, both zero before
    the first token [1]_ [2]_:

    .. math::

        i_t &= \sigma(x_t W_i + h_{t-1} U_i + b_i) \\
        f_t &= \sigma(x_t W_f + h_{t-1} U_f + b_f) \\
        g_t &= \phi(x_t W_g + h_{t-1} U_g + b_g) \\
        o_t &= \sigma(x_t W_o + h_{t-1} U_o + b_o) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \phi(c_t)

    Input gate, forget gate, candidate, output gate, cell state, hidden state; :math:`\sigma` is the
    sigmoid function and :math:`\phi` the parameter `activation`. They are computed by these
    equations from ``weights_``, in double precision. Of a document longer than the width of the
    `TextSequencer` there are the tokens that it keeps.

    Padding is left out, unless ``mask_padding=False``: then the network reads it, and it has rows.

    References
    ----------
    .. [1] S. Hochreiter and J. Schmidhuber (1997). `Long Short-Term Memory
           <https://doi.org/10.1162/neco.1997.9.8.1735>`_. Neural Computation 9, 1735-1780.
    .. [2] F. A. Gers, J. Schmidhuber and F. Cummins (2000). `Learning to Forget: Continual
           Prediction with LSTM <https://doi.org/10.1162/089976600300015015>`_. Neural Computation
           12, 2451-2471.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, lstm_states
    >>> model = make_pipeline(TextSequencer(), LSTMTextClassifier(units=4, epochs=1))
    >>> model = model.fit(["a fine film", "a dull film"], ["good", "bad"])
    >>> (states,) = lstm_states(model, ["a dull film"])
    >>> states.tokens.tolist()
    ['a', 'dull', 'film']
    >>> states.forget_gate.shape
    (3, 4)
    """
    sequencer, classifier = split_steps(estimator)
    number = _check_layer(layer, len(classifier._spec.units))
    ids = read_ids(sequencer, classifier, X)
    spec = classifier._spec
    tokens = tokens_of(sequencer, ids, padding=not spec.mask_padding)
    return [
        LSTMStates(
            tokens=names,
            is_bidirectional=spec.bidirectional,
            **dict(zip(QUANTITIES, states, strict=True)),
        )
        for names, states in zip(tokens, layer_states(classifier, ids, number), strict=True)
    ]


def token_attributions(
    estimator: Any,
    X: Any,
    *,
    target: Any = None,
    method: str = "integrated_gradients",
    n_steps: int = 30,
) -> list[TokenAttributions]:
    """Return what each token adds to the score of a class.

    Parameters
    ----------
    estimator : LSTMTextClassifier, Pipeline, or another classifier of token ids
        A fitted classifier, or a fitted pipeline of `TextSequencer` and classifier. Any classifier
        with `decision_function` or `predict_proba`, such as `KerasTextClassifier`, will do for
        occlusion.
    X : list, Series or array
        Texts for a pipeline; for a classifier token ids of shape (n_documents, n_ids).
    target : object, default=None
        A class or, of a classifier of several labels, a label, as in ``classes_``. None explains
        for each document the class that is predicted; of several labels the most probable one.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        Integrated gradients [1]_ follow the score while the vectors of all tokens grow from zero to
        what they are, and give each token the part that its vector has in the rise: nothing is
        left over. Occlusion [2]_ reads the document again with one token hidden, and gives the
        token what the score falls by.
    n_steps : int, default=30
        Of integrated gradients, the points at which gradients are computed at first (those of a
        Gauss-Legendre quadrature). Where the values of a document do not sum to the difference of
        its scores, the parts of the way that lack most are halved and take so many more.

    Returns
    -------
    attributions : list of TokenAttributions, length n_documents
        Tokens, values in logits, the class they are for, its score, and the score of a document
        that says nothing.

    Raises
    ------
    TypeError
        If `estimator` is something else, or `n_steps` is no int.
    ValueError
        If there is no such `target` or `method`, `n_steps` is not positive, or X is not what
        `estimator` predicts from.
    NotFittedError
        If `estimator` is not fitted.

    Warns
    -----
    ConvergenceWarning
        If integrated gradients of a document miss the difference of the scores by more than 1 % of
        it, and by more than 0.001 logits.

    See Also
    --------
    lstm_states : Gates and states at each token.
    LSTMTextClassifier.decision_function : The scores.

    Notes
    -----
    **Integrated gradients.** The document that says nothing has the same number of tokens, whose
    vectors are all zeros: the LSTM takes as many steps, and learns nothing at any. It is no text
    that anybody could write, and `baseline_score` need not be zero: it is what the network answers
    before it has been told anything. The values of a document sum to ``score - baseline_score`` to
    within 1 % of it, or 0.001 logits if that is more. Where the network reads its padding
    (``mask_padding=False``), the padding stays as it is and gets no values.

    With `ngrams` a score is the mean of one by the LSTM and one by the n-grams. The latter is a sum
    over the n-grams, and each n-gram is split evenly among its tokens, which is exact. The document
    that says nothing has no n-grams.

    **Occlusion.** A hidden token becomes the unknown token (id 1), so that all others keep their
    places. In the document that says nothing all tokens are unknown. The values do not sum to a
    difference: of two tokens that say the same, none may be missed. It costs a prediction for each
    token. A score is what `decision_function` gives or, without that, the log-odds of what
    `predict_proba` gives.

    Neither method says what the class would be if another word stood in place of a token.

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
    >>> rise = found.score - found.baseline_score
    >>> bool(abs(found.values.sum() - rise) <= 0.01 * rise)
    True
    """
    if method not in _METHODS:
        raise ValueError(f"method={method!r} is none of {', '.join(map(repr, _METHODS))}.")
    check_scalar(n_steps, "n_steps", Integral, min_val=1)
    sequencer, classifier = split_steps(estimator, any_classifier=method == "occlusion")
    ids = read_ids(sequencer, classifier, X)
    scores = class_scores(classifier, ids)
    codes = choose_classes(classifier, scores, target)
    if method == "occlusion":
        values, baselines = occlude(classifier, ids, codes)
    else:
        values, baselines = _by_gradients(classifier, ids, codes, n_steps)
    labels = plain_labels(classifier)
    return [
        TokenAttributions(
            tokens=tokens,
            values=of_tokens,
            target=labels[code],
            score=float(of_classes[code]),
            baseline_score=float(baseline),
        )
        for tokens, of_tokens, code, of_classes, baseline in zip(
            tokens_of(sequencer, ids), values, codes, scores, baselines, strict=True
        )
    ]


def nearest_tokens(estimator: Pipeline, token: str, *, n_tokens: int = 10) -> pd.DataFrame:
    """Return the tokens whose vectors in the trained embedding are most like that of a token.

    Parameters
    ----------
    estimator : Pipeline
        A fitted pipeline of `TextSequencer` and `LSTMTextClassifier`.
    token : str
        A token of the vocabulary, as the `TextSequencer` makes it: in lower case, stemmed.
    n_tokens : int, default=10
        How many to return, if there are so many.

    Returns
    -------
    tokens : DataFrame
        Columns ``token`` and ``similarity``, the cosine of the angle between the two vectors, from
        -1 to 1; the most similar first.

    Raises
    ------
    TypeError
        If `estimator` is something else, `token` is no str, or `n_tokens` is no int.
    ValueError
        If `token` is not in the vocabulary or has no vector, `n_tokens` is not positive, or the
        `TextSequencer` hashes tokens and does not know them.
    NotFittedError
        If `estimator` is not fitted.

    See Also
    --------
    WordVectors : Vectors that many texts have shaped.

    Notes
    -----
    An embedding that is trained here knows of a token only what the classes asked for: words for
    the same class become alike, whatever they mean. Rare tokens have vectors that are still close
    to the random ones that they started from, and tokens that training did not meet have none.
    With `WordVectors` every word that has a vector takes part, whether training met it or not.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklstm import LSTMTextClassifier, TextSequencer, nearest_tokens
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"]
    >>> classifier = LSTMTextClassifier(units=8, epochs=20, learning_rate=0.02, random_state=0)
    >>> model = make_pipeline(TextSequencer(), classifier)
    >>> model = model.fit(texts, ["good", "bad", "good", "bad"])
    >>> nearest_tokens(model, "dull", n_tokens=1)["token"].tolist()
    ['slow']
    """
    sequencer, classifier = split_steps(estimator)
    check_scalar(token, "token", str)
    check_scalar(n_tokens, "n_tokens", Integral, min_val=1)
    if sequencer is None:
        raise TypeError(
            "estimator is an LSTMTextClassifier, which knows ids and no tokens; pass the pipeline "
            "of a TextSequencer and it."
        )
    if not hasattr(sequencer, "tokens_"):
        raise ValueError(
            "The TextSequencer has indexing='hash', which keeps no tokens; fit with "
            "indexing='vocabulary'."
        )
    ids, cosines = similarities(sequencer, classifier, id_of(sequencer, token))
    best = np.argsort(-cosines, kind="stable")[:n_tokens]
    return pd.DataFrame({"token": sequencer.tokens_[ids[best]], "similarity": cosines[best]})


def _check_layer(layer: int, n_layers: int) -> int:
    """Return the number of a layer, counted from 0."""
    check_scalar(layer, "layer", Integral)
    if not -n_layers <= layer < n_layers:
        allowed = "0" if n_layers == 1 else f"one from 0 to {n_layers - 1}"
        raise ValueError(
            f"layer={layer}, but the network has {n_layers} LSTM "
            f"{'layer' if n_layers == 1 else 'layers'}; pass {allowed}, or -1 for the last."
        )
    return int(layer) % n_layers


def _by_gradients(
    classifier: LSTMTextClassifier, ids: Any, codes: Any, n_steps: int
) -> tuple[list[Any], Any]:
    """Return integrated gradients of each token, and scores of documents that say nothing."""
    rows, spec, weights = classifier._met(ids)
    inputs, lengths = network_inputs(rows, spec)
    if spec.n_outputs == 1:
        shares = np.where(codes == 1, 1.0, -1.0)[:, None].astype(np.float32)
    else:
        shares = np.eye(spec.n_outputs, dtype=np.float32)[codes]
    values, baselines = np.zeros(inputs.shape), np.zeros(len(inputs))
    if spec.ngrams:
        # The score is the mean of two.
        shares /= 2
        values, baselines = ngram_shares(spec, weights, inputs, shares)
    by_lstm, of_nothing = integrated_gradients(
        spec, weights, inputs, lengths, shares, values.sum(axis=1), n_steps
    )
    values, baselines = values + by_lstm, baselines + of_nothing
    return [v[row != 0] for v, row in zip(values, inputs, strict=True)], baselines
