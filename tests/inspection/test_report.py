"""report: one HTML file that agrees with the predictions."""

import re
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from custom_models import network
from sklearn.exceptions import NotFittedError
from sklearn.metrics import confusion_matrix, f1_score
from sklearn.pipeline import make_pipeline

from sklstm import (
    ConfidenceDisplay,
    KerasTextClassifier,
    TextSequencer,
    class_tokens,
    make_text_classifier,
    report,
)

SECTIONS = [
    "Summary",
    "Classes",
    "Confusion matrix",
    "Confidence",
    "Tokens of each class",
    "Most confident errors",
    "Parameters",
]
# Some labels are wrong.
TEST_TEXTS = [*TEXTS, "a dull film with music & a bad cast"]
TEST_LABELS = ["good" if n % 4 else label for n, label in enumerate([*LABELS, "bad"])]


class Page(HTMLParser):
    """Reads the structure of a page, and checks that each element is closed."""

    VOID = frozenset({"meta", "br"})

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.attributes = [], [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def model():
    return make_text_classifier("fast", random_state=0, epochs=6).fit(TEXTS * 4, LABELS * 4)


@pytest.fixture(scope="module")
def html(model):
    return report(model, TEST_TEXTS, TEST_LABELS, title="Films & <more>").html


def test_all_sections_are_there(html):
    assert re.findall("<h2>(.*?)</h2>", html) == SECTIONS
    assert "<h1>Films &amp; &lt;more&gt;</h1>" in html
    assert "<title>Films &amp; &lt;more&gt;</title>" in html


def test_the_page_is_well_formed_and_loads_nothing(html):
    page = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(page.tags)
    loading = {"src", "href", "xlink:href", "data", "action"}
    targets = [value for name, value in page.attributes if name in loading]
    assert all(target.startswith("#") for target in targets)
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    assert len(html) < 500_000


def test_tables_agree_with_the_predictions(model, html):
    predicted = model.predict(TEST_TEXTS)
    assert f"<b>{np.mean(predicted == TEST_LABELS):.3f} " in html
    assert f"<b>{f1_score(TEST_LABELS, predicted, average='macro'):.3f}</b>" in html
    display = ConfidenceDisplay.from_predictions(TEST_LABELS, model.predict_proba(TEST_TEXTS))
    assert f"<b>{display.expected_calibration_error:.3f}</b>" in html
    matrix = confusion_matrix(TEST_LABELS, predicted)
    cells = re.findall(r'<td style="background[^>]*>(\d+)</td>', html)
    assert [int(cell) for cell in cells] == matrix.ravel().tolist()


def test_errors_are_the_most_confident_ones(model):
    html = report(model, TEST_TEXTS, TEST_LABELS, n_mistakes=2).html
    probabilities, predicted = model.predict_proba(TEST_TEXTS), model.predict(TEST_TEXTS)
    wrong = np.flatnonzero(predicted != TEST_LABELS)
    worst = wrong[np.argsort(-probabilities.max(axis=1)[wrong], kind="stable")][:2]
    assert len(worst) == 2
    assert [int(n) for n in re.findall(r"<li><p>document (\d+):", html)] == worst.tolist()


def test_classes_and_tokens_are_escaped():
    texts = [text.replace("film", "<script>film</script>") for text in TEXTS * 4]
    labels = [f"<b>{label}</b>" for label in LABELS * 4]
    model = make_text_classifier("fast", tokenizer=str.split, lowercase=False, random_state=0)
    html = report(model.fit(texts, labels), texts, labels[1:] + labels[:1]).html
    assert "&lt;script&gt;film&lt;/script&gt;" in html
    assert "&lt;b&gt;good&lt;/b&gt;" in html
    assert "<script" not in html
    assert "<b>good" not in html
    Page(html)


def test_tokens_are_those_of_class_tokens(model):
    html = report(model, TEXTS * 2, LABELS * 2, n_tokens=3).html
    table = class_tokens(model, TEXTS * 2, n_tokens=3)
    assert len(table)
    for ngram, value in zip(table["tokens"], table["value"], strict=True):
        assert re.search(
            f"<td>{re.escape(ngram)}</td><td [^>]*><div [^>]*></div>{value:.2f}<", html
        )


def test_a_test_set_without_errors_or_frequent_tokens(model):
    predicted = model.predict(TEXTS[:2])
    html = report(model, TEXTS[:2], predicted).html
    assert "<p>No errors.</p>" in html
    assert "No n-gram occurs in enough documents" in html
    Page(html)


def test_many_classes_have_a_list_of_confusions():
    ids, _ = make_ids(n_documents=120, vocab_size=60)
    y = np.array([f"class {n}" for n in np.arange(120) % 25])
    html = report(small_classifier(epochs=1).fit(ids, y), ids, y).html
    assert "Most frequent confusions" in html
    assert "Rows are true classes" not in html
    Page(html)


def test_occlusion_supports_custom_models():
    classifier = KerasTextClassifier(network, epochs=1, random_state=0)
    model = make_pipeline(TextSequencer(), classifier).fit(TEXTS, LABELS)
    html = report(model, TEST_TEXTS, TEST_LABELS, method="occlusion").html
    assert re.findall("<h2>(.*?)</h2>", html) == SECTIONS


def test_a_report_without_errors_does_not_claim_that_there_are_none(model):
    html = report(model, TEST_TEXTS, TEST_LABELS, n_mistakes=0).html
    assert re.findall("<h2>(.*?)</h2>", html) == [n for n in SECTIONS if "errors" not in n]
    assert "No errors" not in html


def test_a_single_document_or_class_does_not_warn(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        html = report(model, TEXTS[:1], model.predict(TEXTS[:1])).html
    assert re.findall(r'<td style="background[^>]*>(\d+)</td>', html) == ["1"]


def test_no_figure_is_left_open(plt, model, monkeypatch):
    plt.close("all")
    parameters, figure = dict(plt.rcParams), plt.figure()
    report(model, TEXTS, LABELS)
    monkeypatch.setattr(type(figure), "savefig", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        report(model, TEXTS, LABELS)
    assert plt.get_fignums() == [figure.number]
    assert dict(plt.rcParams) == parameters


def test_the_same_model_gives_the_same_report(model, html):
    assert report(model, TEST_TEXTS, TEST_LABELS, title="Films & <more>").html == html


def test_save_and_show(model, html, tmp_path):
    found = report(model, TEST_TEXTS, TEST_LABELS, title="Films & <more>")
    found.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == html
    assert found._repr_html_().startswith('<iframe srcdoc="&lt;!DOCTYPE html&gt;')
    with pytest.raises(OSError, match="absent"):
        found.save(tmp_path / "absent" / "report.html")


def test_invalid_input(model):
    with pytest.raises(ValueError, match="y is a label indicator"):
        report(model, TEXTS, np.eye(12, dtype=int)[:, :3])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        report(model, TEXTS, LABELS[:3])
    with pytest.raises(ValueError, match="X is empty"):
        report(model, [], [])
    with pytest.raises(ValueError, match="the target y is None"):
        report(model, TEXTS, None)
    with pytest.raises(ValueError, match="X is a single string"):
        report(model, "a fine film", ["good"])
    with pytest.raises(ValueError, match="y contains no class of the classifier: its first label"):
        report(model, TEXTS, [0, 1] * 6)
    with pytest.raises(TypeError, match="title must be an instance of str"):
        report(model, TEXTS, LABELS, title=None)
    with pytest.raises(ValueError, match="n_mistakes == -1, must be >= 0"):
        report(model, TEXTS, LABELS, n_mistakes=-1)
    with pytest.raises(TypeError, match="estimator is a str"):
        report("model", TEXTS, LABELS)
    with pytest.raises(TypeError, match="method='occlusion' supports other classifiers"):
        report(KerasTextClassifier(network), TEXTS, LABELS)
    with pytest.raises(ValueError, match="method='gradients' must be one of"):
        report(model, TEXTS, LABELS, method="gradients")
    with pytest.raises(NotFittedError):
        report(make_text_classifier(), TEXTS, LABELS)
