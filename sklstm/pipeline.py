"""make_text_classifier, its presets, and access to the steps of a fitted pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._sklearn import BaseSearchCV
from sklstm._tokens import CONSTRAINTS
from sklstm.classifier import LSTMTextClassifier
from sklstm.sequencer import TextSequencer
from sklstm.vectors import WordVectors, as_word_vectors

__all__ = ["make_text_classifier"]

# Parameters that `vectors` sets in the pipeline.
_SET_BY_VECTORS = {"vocabulary", "embedding_weights", "embedding_dim"}

# The presets, as differences from the defaults of the two steps.
_PRESETS: dict[str, dict[str, Any]] = {
    "fast": {
        "max_tokens": 20_000,
        "max_len": 200,
        "units": 32,
        "bidirectional": False,
        "embedding_dim": 32,
        "epochs": 3,
    },
    "balanced": {},
    "accurate": {"units": 128, "embedding_dim": 128},
}


def make_text_classifier(
    preset: str = "balanced",
    *,
    vectors: object = None,
    unlabeled: Iterable[str] | None = None,
    **parameters: object,
) -> Pipeline:
    """Create a text classification pipeline of `TextSequencer` and `LSTMTextClassifier`.

    Parameters
    ----------
    preset : {"fast", "balanced", "accurate"}, default="balanced"
        Parameter set: "fast" for first experiments and searches, "balanced" for good accuracy in
        little time, "accurate" for the highest accuracy on long texts. "balanced" consists of the
        defaults of both steps. On short texts, "balanced" and "accurate" are equally accurate.
    vectors : WordVectors, str, path-like, mapping, KeyedVectors or None, default=None
        Pretrained word vectors, the path of a file that `WordVectors.load` can read, a mapping from
        words to vectors, or ``KeyedVectors`` of gensim; see `WordVectors.from_source`. With few
        texts they improve accuracy more than any other parameter: on the sentences of MR, GloVe
        vectors improved the accuracy of "balanced" from 0.793 to 0.807. Fitting takes about as long
        as without vectors.
    unlabeled : iterable of str or None, default=None
        Texts without labels, of the same kind as those to classify. Word vectors are learned from
        them by `WordVectors.from_texts`, with `random_state` as the seed, and concatenated with
        those of `vectors`, if there are any. The vectors are the same in each fold of a search. The
        model does not keep the texts. With 300 labeled documents, the accuracy increased by 0.03 on
        average over four data sets. The vectors are learned when the pipeline is created, from
        10,000 sentences in a few seconds.
    **parameters
        Parameters of `TextSequencer` and `LSTMTextClassifier`, without the prefix of the step. They
        override those of the preset. ``random_state=0`` makes the classifier reproducible.

    Returns
    -------
    model : Pipeline
        Unfitted, with the steps "textsequencer" and "lstmtextclassifier".

    Raises
    ------
    ValueError
        If the preset does not exist, if `vectors` is passed together with a parameter that it sets,
        or if the file is invalid.
    TypeError
        If neither step has a parameter of a given name.
    OSError
        If the file cannot be opened.

    See Also
    --------
    compare : Tests whether the classifier is more accurate than others.
    classic_baselines : Baselines for a comparison.

    Notes
    -----
    The network has one LSTM layer, which is bidirectional in "balanced" and "accurate", and max
    pooling. The score of a document is the mean of the LSTM score and the score of a linear model
    of unigrams and bigrams. Training uses few steps, a one-cycle learning rate, strong dropout of
    the embeddings, and label smoothing. `get_params` of the pipeline returns all parameters.

    Examples
    --------
    >>> from sklstm import make_text_classifier
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 5
    >>> model = make_text_classifier("fast", random_state=0).fit(texts, labels)
    >>> model.predict(["a fine and moving film", "dull"]).tolist()
    ['good', 'bad']
    """
    if preset not in _PRESETS:
        raise ValueError(f"preset={preset!r} must be one of {', '.join(map(repr, _PRESETS))}.")
    sequencer, classifier = TextSequencer(), LSTMTextClassifier()
    names = {**sequencer.get_params(deep=False), **classifier.get_params(deep=False)}
    for name in parameters:
        for given, value in {"vectors": vectors, "unlabeled": unlabeled}.items():
            if value is not None and name in _SET_BY_VECTORS:
                raise ValueError(f"{name} is set by {given}; pass one of the two.")
        if name not in names:
            similar = get_close_matches(name, names, n=1)
            hint = f"; did you mean {similar[0]!r}?" if similar else "."
            raise TypeError(
                f"{name!r} is a parameter of neither TextSequencer nor LSTMTextClassifier{hint}"
            )
    settings = dict(_PRESETS[preset])
    if vectors is not None:
        vectors = as_word_vectors(vectors, "vectors")
    if unlabeled is not None:
        learned = _learn_vectors(unlabeled, settings | parameters)
        vectors = learned if vectors is None else WordVectors.concatenate(vectors, learned)
    if vectors is not None:
        settings |= {"vocabulary": vectors, "embedding_weights": vectors}
    settings |= parameters
    for step in (sequencer, classifier):
        own = step.get_params(deep=False)
        step.set_params(**{name: value for name, value in settings.items() if name in own})
    return make_pipeline(sequencer, classifier)


def _learn_vectors(texts: Iterable[str], parameters: Mapping[str, Any]) -> WordVectors:
    """Learn word vectors from texts that are tokenized as in the pipeline."""
    names = parameters.keys() & {*CONSTRAINTS, "random_state", "verbose"}
    return WordVectors.from_texts(texts, **{name: parameters[name] for name in names})


def split_pipeline(
    estimator: BaseEstimator, *, any_classifier: bool = False, hint: str = ""
) -> tuple[TextSequencer | None, Any]:
    """Return the sequencer, if there is one, and the classifier of a fitted estimator.

    Parameters
    ----------
    estimator : estimator
        Fitted classifier, or fitted pipeline of a `TextSequencer` and a classifier.
    any_classifier : bool
        Whether to accept classifiers other than `LSTMTextClassifier`.
    hint : str
        Another remedy, for the error message of a classifier that is not accepted.

    Raises
    ------
    TypeError
        If `estimator` is anything else.
    NotFittedError
        If it is not fitted.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    steps = [step for _, step in estimator.steps] if is_pipeline else [estimator]
    if steps and _is_accepted(steps[-1], any_classifier):
        match steps:
            case [classifier]:
                check_is_fitted(classifier)
                return None, classifier
            case [TextSequencer() as sequencer, classifier]:
                check_is_fitted(sequencer, "max_len_")
                check_is_fitted(classifier)
                return sequencer, classifier
    kinds = " and ".join(type(step).__name__ for step in steps)
    what = f"is a pipeline of {kinds}" if is_pipeline else f"is a {kinds}"
    if hasattr(estimator, "best_estimator_"):
        hint = "pass the best_estimator_ of a search"
    expected = "classifier of token ids" if any_classifier else "LSTMTextClassifier"
    raise TypeError(
        f"estimator {what}; pass a fitted {expected}, or a pipeline of a TextSequencer and "
        f"{'one' if any_classifier else f'an {expected}'}{hint and f'; {hint}'}."
    )


def _is_accepted(step: object, any_classifier: bool) -> bool:
    if not any_classifier:
        return isinstance(step, LSTMTextClassifier)
    return is_classifier(step) and not isinstance(step, (Pipeline, BaseSearchCV))


def final_classifier(estimator: BaseEstimator) -> Any:
    """Return a fitted classifier, which may be the last step of a pipeline.

    Raises
    ------
    NotFittedError
        If it is not fitted.
    """
    classifier = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    check_is_fitted(classifier)
    return classifier
