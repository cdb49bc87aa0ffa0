"""report: an HTML file about a classifier and its errors on a test set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from io import StringIO
from numbers import Integral
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import precision_recall_fscore_support
from sklearn.utils import check_scalar

from sklstm._confidence import evaluate
from sklstm._persistence import VERSION, atomic_write
from sklstm._plotting import BLUE, as_rgb
from sklstm._sklearn import num_samples, safe_indexing
from sklstm._validation import Labels
from sklstm.inspection import ConfidenceDisplay, class_tokens, token_attributions
from sklstm.inspection._attributions import split_by_method
from sklstm.inspection._displays import colored_words

__all__ = ["Report", "report"]

# Larger confusion matrices are replaced by the most frequent confusions.
_MAX_CLASSES = 20
_MAX_CONFUSIONS = 15
# Black text is readable on backgrounds up to this opacity.
_MAX_OPACITY = 0.6
_REQUIRED_ACCURACY = 0.95
_MAX_PARAMETERS = 100_000


@dataclass(frozen=True)
class Report:
    """A report as an HTML document, which needs no other files and no network.

    Attributes
    ----------
    html : str
        The document.

    See Also
    --------
    report : Creates the report.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklstm import make_text_classifier, report
    >>> texts, labels = ["a fine film", "a dull film"] * 10, ["good", "bad"] * 10
    >>> model = make_text_classifier("fast", random_state=0).fit(texts, labels)
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "report.html")
    ...     report(model, texts, labels).save(path)
    ...     path.read_text(encoding="utf-8")[:15]
    '<!DOCTYPE html>'
    """

    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the document to a file.

        Parameters
        ----------
        path : str or path-like
            Name of the file, such as "report.html". An existing file is replaced.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        with atomic_write(path) as (incomplete,):
            incomplete.write_text(self.html, encoding="utf-8")

    def _repr_html_(self) -> str:
        style = "width: 100%; height: 600px; border: 1px solid #ccc"
        return f'<iframe srcdoc="{escape(self.html)}" style="{style}" title="report"></iframe>'


def report(
    estimator: BaseEstimator,
    X: ArrayLike,
    y: ArrayLike,
    *,
    title: str = "Text classification report",
    n_mistakes: int = 10,
    n_tokens: int = 10,
    method: str = "integrated_gradients",
) -> Report:
    """Describe a fitted classifier and its errors on a test set in one HTML file.

    The report contains the scores, the documents per class, the confusion matrix, the confidence of
    the predictions, the tokens and n-grams of each class, the most confident errors with the
    contributions of their tokens, and the parameters of the classifier.

    Parameters
    ----------
    estimator : Pipeline or LSTMTextClassifier
        Fitted pipeline of `TextSequencer` and `LSTMTextClassifier`. With ``method="occlusion"``,
        any classifier of token ids with `predict_proba`, such as `KerasTextClassifier`.
    X : list, Series or array
        Documents that the classifier was not fitted to: texts for a pipeline, token ids for a
        classifier.
    y : array-like of shape (n_documents,)
        Classes of the documents.
    title : str, default="Text classification report"
        Title of the document.
    n_mistakes : int, default=10
        Maximum number of errors to show. With 0, there is no section of errors.
    n_tokens : int, default=10
        Maximum number of n-grams per class and length, as in `class_tokens`.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        Attribution method, as in `token_attributions`.

    Returns
    -------
    report : Report
        The document, with the method ``save(path)``. In a notebook it is displayed.

    Raises
    ------
    TypeError
        If `estimator` is not supported, `title` is not a str, or a number is not an integer.
    ValueError
        If the data is multilabel, y contains no class of the classifier, X and y differ in length
        or are empty, or a parameter is not valid.
    NotFittedError
        If `estimator` is not fitted.
    ImportError
        If matplotlib is not installed.

    See Also
    --------
    class_tokens : The tokens of each class.
    ConfidenceDisplay : The plot of the confidence.
    token_attributions : The contributions of the tokens of an error.

    Notes
    -----
    The report contains texts of the test set, and n-grams that may stem from the training set. Read
    it before you pass it on. The time is mostly that of `class_tokens`.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> from sklstm import make_text_classifier, report
    >>> texts = ["a fine film", "a dull film", "fine and moving", "dull and slow"] * 5
    >>> labels = ["good", "bad", "good", "bad"] * 5
    >>> model = make_text_classifier("fast", random_state=0).fit(texts, labels)
    >>> found = report(model, texts, labels, title="Film reviews")
    >>> "<h1>Film reviews</h1>" in found.html
    True
    """
    check_scalar(title, "title", str)
    check_scalar(n_mistakes, "n_mistakes", Integral, min_val=0)
    split_by_method(estimator, method)
    if not num_samples(X):
        raise ValueError("X is empty; pass at least one document.")
    true, predicted, confidence = evaluate(estimator, X, y)
    display = ConfidenceDisplay(confidence, predicted == true)
    wrong = np.flatnonzero(predicted != true)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:n_mistakes]
    tokens = class_tokens(estimator, X, n_tokens=n_tokens, method=method)
    sections = {
        "Summary": _summary(true, predicted, display),
        "Classes": _table(_class_table(true, predicted)),
        "Confusion matrix": _confusions(true, predicted),
        "Confidence": _confidence(display),
        "Tokens of each class": _class_token_tables(tokens),
    }
    if n_mistakes:
        mistakes = _mistakes(estimator, X, worst, true, predicted, confidence, method)
        sections["Most confident errors"] = mistakes
    sections["Parameters"] = _parameters(estimator)
    body = "".join(f"<section><h2>{escape(k)}</h2>{html}</section>" for k, html in sections.items())
    return Report(_PAGE.substitute(title=escape(title), body=body, version=VERSION, color=BLUE))


def _summary(true: Labels, predicted: Labels, display: ConfidenceDisplay) -> str:
    """Return the main metrics in boxes."""
    accuracy = float(display.is_correct.mean())
    error = (accuracy * (1 - accuracy) / len(true)) ** 0.5
    *_, f1, _ = precision_recall_fscore_support(true, predicted, average="macro", zero_division=0)
    coverage = display.coverage_at(_REQUIRED_ACCURACY).coverage
    metrics = {
        "documents": f"{len(true):,}",
        "classes": f"{len(np.unique(true)):,}",
        "accuracy (± standard error)": f"{accuracy:.3f} ± {error:.3f}",
        "macro-averaged F1 score": f"{f1:.3f}",
        "expected calibration error": f"{display.expected_calibration_error:.3f}",
        f"of the documents can be decided with accuracy {_REQUIRED_ACCURACY:g}": f"{coverage:.0%}",
    }
    boxes = (f"<div><b>{value}</b><span>{name}</span></div>" for name, value in metrics.items())
    return f'<div class="metrics">{"".join(boxes)}</div>'


def _class_table(true: Labels, predicted: Labels) -> pd.DataFrame:
    """Return the scores of each class."""
    classes = np.unique(np.concatenate([true, predicted]))
    precision, recall, f1, support = precision_recall_fscore_support(
        true, predicted, labels=classes, zero_division=0
    )
    return pd.DataFrame(
        {
            "class": [str(c) for c in classes],
            "documents": support,
            "proportion": [f"{n / len(true):.1%}" for n in support],
            "predicted": [(predicted == c).sum() for c in classes],
            "precision": precision,
            "recall": recall,
            "F1 score": f1,
        }
    )


def _confusions(true: Labels, predicted: Labels) -> str:
    """Return the confusion matrix, and a list of the most frequent confusions."""
    classes, codes = np.unique(np.concatenate([true, predicted]), return_inverse=True)
    # confusion_matrix of scikit-learn warns of a single class.
    matrix = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(matrix, (codes[: len(true)], codes[len(true) :]), 1)
    html = ""
    if len(classes) <= _MAX_CLASSES:
        html += "<p>Rows are true classes, columns are predicted classes.</p>"
        html += _scrolled(_matrix_html(matrix, [escape(str(c)) for c in classes]))
    pairs = [
        (str(classes[i]), str(classes[j]), matrix[i, j], f"{matrix[i, j] / matrix[i].sum():.1%}")
        for i, j in np.argwhere(matrix)
        if i != j
    ]
    if len(classes) > 2 and pairs:
        columns = ["true class", "predicted class", "documents", "of the true class"]
        frame = pd.DataFrame(pairs, columns=columns)
        frequent = frame.sort_values("documents", ascending=False, kind="stable")
        html += f"<h3>Most frequent confusions</h3>{_table(frequent.head(_MAX_CONFUSIONS))}"
    return html


def _matrix_html(matrix: np.ndarray, names: list[str]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = []
    for name, counts in zip(names, matrix, strict=True):
        opacities = _MAX_OPACITY * counts / max(1, counts.sum())
        cells = "".join(
            f'<td style="background: rgba({as_rgb(BLUE)}, {opacity:.2f})">{n:,}</td>'
            for n, opacity in zip(counts, opacities, strict=True)
        )
        rows.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _confidence(display: ConfidenceDisplay) -> str:
    """Return the plot of the confidence as SVG."""
    found = display.coverage_at(_REQUIRED_ACCURACY)
    text = (
        "The confidence is the probability of the predicted class. Left: points below the dotted "
        "line mean that the classifier is overconfident. Right: accuracy if only the most "
        "confident documents are decided."
    )
    if found.coverage:
        text += (
            f" {found.coverage:.1%} of the documents have a confidence of at least "
            f"{found.threshold:.3f}; {found.accuracy:.1%} of them are correct."
        )
    label = "Accuracy against confidence, and accuracy against coverage"
    image = f'<div class="plot" role="img" aria-label="{label}">{_plot_as_svg(display)}</div>'
    return f"<p>{text}</p>{image}"


def _class_token_tables(tokens: pd.DataFrame) -> str:
    """Return a table for each class, with the values as bars."""
    if tokens.empty:
        return "<p>No n-gram occurs in enough documents.</p>"
    largest = tokens["value"].max()
    tables = []
    for target, rows in tokens.groupby("class", sort=False):
        best = rows.sort_values("value", ascending=False, kind="stable")
        columns = (best[name].tolist() for name in ("tokens", "value", "n_documents", "example"))
        lines = "".join(
            f'<tr><td>{escape(ngram)}</td><td class="value">'
            f'<div class="bar" style="width: {5 * value / largest:.2f}em"></div>{value:.2f}</td>'
            f'<td>{n_documents:,}</td><td class="example">{escape(example)}</td></tr>'
            for ngram, value, n_documents, example in zip(*columns, strict=True)
        )
        head = "".join(f"<th>{name}</th>" for name in ("tokens", "value", "documents", "example"))
        table = f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table>"
        tables.append(
            f"<details open><summary>{escape(str(target))}</summary>{_scrolled(table)}</details>"
        )
    text = (
        "Tokens and pairs of tokens that contribute most to the predictions of a class. The value "
        "is the mean contribution to the score in logits, over the documents that are predicted as "
        "this class and contain the tokens. [UNK] stands for words that are not in the vocabulary."
    )
    return f"<p>{text}</p>{''.join(tables)}"


def _mistakes(
    estimator: BaseEstimator,
    X: Any,
    rows: np.ndarray,
    true: Labels,
    predicted: Labels,
    confidence: np.ndarray,
    method: str,
) -> str:
    """Return the texts of errors, colored by the contributions to the predicted class."""
    if not len(rows):
        return "<p>No errors.</p>"
    found = token_attributions(estimator, safe_indexing(X, rows), method=method)
    items = "".join(
        f"<li><p>document {row}: <b>{escape(str(true[row]))}</b>, predicted "
        f"<b>{escape(str(predicted[row]))}</b> with probability {confidence[row]:.3f}</p>"
        f"<p>{colored_words(attributions)}</p></li>"
        for row, attributions in zip(rows, found, strict=True)
    )
    text = (
        "Blue words with a solid line support the predicted class, orange words with a dotted line "
        "oppose it. Check whether the labels are correct, and whether the words are relevant."
    )
    return f"<p>{text}</p><ol>{items}</ol>"


def _parameters(estimator: BaseEstimator) -> str:
    text = estimator.__repr__(N_CHAR_MAX=_MAX_PARAMETERS)
    return f"<p>Parameters that differ from the defaults:</p><pre>{escape(text)}</pre>"


def _table(frame: pd.DataFrame) -> str:
    """Return a table of text and numbers."""
    return _scrolled(frame.to_html(index=False, border=0, float_format="{:.3f}".format))


def _scrolled(table: str) -> str:
    """Return a table that scrolls if it is wider than the screen."""
    return f'<div class="scrolled">{table}</div>'


def _plot_as_svg(display: ConfidenceDisplay) -> str:
    """Plot a display, and return it as an SVG element."""
    from matplotlib import pyplot as plt

    figure = display.plot(accuracy=_REQUIRED_ACCURACY).figure_
    svg = StringIO()
    try:
        # A fixed salt gives the elements the same names in each report.
        with plt.rc_context({"svg.hashsalt": "sklstm"}):
            figure.savefig(svg, format="svg", metadata={"Date": None})
    finally:
        plt.close(figure)
    return svg.getvalue()[svg.getvalue().index("<svg") :]


_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { color: #1a1a1a; background: #fff; font: 16px/1.5 system-ui, sans-serif;
  max-width: 60em; margin: 0 auto; padding: 1em; overflow-wrap: break-word; }
h1 { font-size: 1.6em; } h2 { font-size: 1.25em; margin-top: 2em; } h3 { font-size: 1em; }
.metrics { display: grid; grid-template-columns: repeat(auto-fit, minmax(9em, 1fr)); gap: 0.6em; }
.metrics div { border: 1px solid #ddd; border-radius: 6px; padding: 0.6em; }
.metrics b { display: block; font-size: 1.3em; } .metrics span { font-size: 0.85em; color: #555; }
.scrolled { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9em; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25em 0.7em; border-bottom: 1px solid #e4e4e4; text-align: left; }
.bar { background: $color; height: 0.6em; display: inline-block; margin-right: 0.4em; }
.value { white-space: nowrap; } .example { min-width: 18em; }
.plot { overflow-x: auto; } .plot svg { width: 100%; height: auto;
  min-width: 34em; max-width: 44em; }
summary { font-weight: bold; cursor: pointer; margin: 0.5em 0; }
pre { overflow-x: auto; font-size: 0.85em; background: #f6f6f6; padding: 0.8em; }
li { margin-bottom: 0.8em; } footer { margin-top: 3em; font-size: 0.85em; color: #555; }
</style>
</head>
<body>
<h1>$title</h1>
$body
<footer>Made with sklstm $version.</footer>
</body>
</html>
""")
