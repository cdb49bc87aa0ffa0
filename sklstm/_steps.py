"""Tell apart the sequencer and the classifier of what users pass as one fitted estimator."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._sklearn import BaseSearchCV
from sklstm.classifier import LSTMTextClassifier
from sklstm.sequencer import TextSequencer


def split_steps(
    estimator: Any, *, any_classifier: bool = False
) -> tuple[TextSequencer | None, Any]:
    """Return the sequencer, if there is one, and the classifier, both fitted.

    Parameters
    ----------
    estimator : object
        What a user has passed.
    any_classifier : bool
        Whether the classifier may be another than `LSTMTextClassifier`.

    Raises
    ------
    TypeError
        If `estimator` is neither such a classifier nor a pipeline of `TextSequencer` and one.
    NotFittedError
        If it is not fitted.
    """
    is_pipeline = isinstance(estimator, Pipeline)
    steps = [step for _, step in estimator.steps] if is_pipeline else [estimator]
    if steps and _is_wanted(steps[-1], any_classifier):
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
    hint = "; of a search pass its best_estimator_" if hasattr(estimator, "best_estimator_") else ""
    wanted = "classifier of token ids" if any_classifier else "LSTMTextClassifier"
    raise TypeError(
        f"estimator {what}; pass a fitted {wanted}, or a pipeline of a TextSequencer and "
        f"{'one' if any_classifier else f'an {wanted}'}{hint}."
    )


def _is_wanted(step: Any, any_classifier: bool) -> bool:
    if not any_classifier:
        return isinstance(step, LSTMTextClassifier)
    return is_classifier(step) and not isinstance(step, (Pipeline, BaseSearchCV))
