"""class_tokens: n-grams with the largest mean contributions to each class."""

import warnings

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, make_ids, small_classifier
from custom_models import network
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline

from sklstm import (
    ClassTokensDisplay,
    KerasTextClassifier,
    TextSequencer,
    class_tokens,
    make_text_classifier,
    token_attributions,
)
from sklstm.inspection import TokenAttributions, _class_tokens

COLUMNS = ["class", "tokens", "value", "n_documents", "example"]
IDS, Y = make_ids(n_documents=40)


@pytest.fixture(scope="module")
def model():
    return make_text_classifier("fast", random_state=0).fit(TEXTS * 4, LABELS * 4)


def attribution(text, values, target="good"):
    tokens = np.array(text.split(), dtype=object)
    return TokenAttributions(tokens, np.array(values, float), target, 1.0, 0.0)


@pytest.fixture
def table_of(monkeypatch, model):
    """Compute the table of given attributions."""

    def compute(attributions, **parameters):
        monkeypatch.setattr(_class_tokens, "attribute_documents", lambda *_: attributions)
        return class_tokens(model, [], **{"min_documents": 1, **parameters})

    return compute


# --- The table


def test_value_is_the_mean_over_documents_of_the_sum_in_a_document(table_of):
    found = [
        attribution("fine so fine", [1, 0.5, 2]),
        attribution("fine", [0.6]),
        attribution("fine", [9], target="bad"),
    ]
    table = table_of(found, ngram_range=(1, 1))
    assert table.columns.tolist() == COLUMNS
    rows = table.set_index(["class", "tokens"])
    assert rows["n_documents"].to_dict() == {
        ("bad", "fine"): 1,
        ("good", "fine"): 2,
        ("good", "so"): 1,
    }
    assert_allclose(rows["value"], [9, (1 + 2 + 0.6) / 2, 0.5])


def test_an_ngram_is_listed_if_it_exceeds_its_tokens(table_of):
    found = [
        attribution("too long", [2, 2]),
        attribution("too", [0.5]),
        attribution("long", [1]),
        attribution("a film", [1, 1]),
        attribution("a film", [1, 1]),
    ]
    table = table_of(found, ngram_range=(2, 2))
    # "too" has the mean 1.25 and "long" 1.5; "a film" is the sum of its tokens.
    assert table["tokens"].tolist() == ["too long"]
    assert_allclose(table["value"], 4)


def test_order_is_that_of_classes_lengths_and_values(table_of):
    found = [
        attribution("b a", [1, 3]),
        attribution("b", [0.1]),
        attribution("y x", [1, 3], target="bad"),
        attribution("y", [0.1], target="bad"),
    ]
    table = table_of(found)
    assert table["class"].tolist() == ["bad"] * 3 + ["good"] * 3
    assert table["tokens"].tolist() == ["x", "y", "y x", "a", "b", "b a"]
    assert table_of(found, n_tokens=1)["tokens"].tolist() == ["x", "y x", "a", "b a"]


def test_rare_opposing_and_unknown_tokens_are_left_out(table_of):
    found = [attribution("often [UNK] never", [1, 5, -1]), attribution("often rare", [1, 2])]
    assert table_of(found, ngram_range=(1, 1))["tokens"].tolist() == ["rare", "often"]
    assert table_of(found, ngram_range=(1, 1), min_documents=2)["tokens"].tolist() == ["often"]
    assert "[UNK]" not in " ".join(table_of(found)["tokens"])


def test_the_example_is_the_document_of_the_largest_value(table_of):
    long = "1 2 3 4 5 6 fine 8 9 10 11 12 13"
    found = [attribution("fine", [0.1]), attribution(long, [0] * 6 + [1] + [0] * 6)]
    table = table_of(found, ngram_range=(1, 1))
    assert table["example"].tolist() == ["... 2 3 4 5 6 fine 8 9 10 11 12 ..."]


def test_values_agree_with_those_of_single_documents(model):
    documents = pd.DataFrame(
        [
            (a.target, token, value, number)
            for number, a in enumerate(token_attributions(model, TEXTS))
            for token, value in zip(a.tokens, a.values, strict=True)
        ],
        columns=["class", "tokens", "value", "document"],
    )
    sums = documents.groupby(["class", "tokens", "document"])["value"].sum()
    expected = sums.groupby(["class", "tokens"]).agg(["mean", "count"])
    table = class_tokens(model, TEXTS, ngram_range=(1, 1), n_tokens=50, min_documents=1)
    table = table.set_index(["class", "tokens"])
    assert len(table) > 20
    expected = expected.loc[table.index]
    # The tolerance of single documents is smaller.
    assert_allclose(table["value"], expected["mean"], rtol=0.05, atol=0.01)
    assert table["n_documents"].tolist() == expected["count"].tolist()


def test_decisive_words_come_first():
    rng = np.random.default_rng(0)
    filler = np.array(["the", "film", "with", "a", "cast", "story", "and", "music"])
    y = rng.permutation(["good", "bad", "so-so"] * 30)
    decisive = {"good": "lovely", "bad": "dull", "so-so": "usual"}
    texts = [" ".join(rng.permutation([*rng.choice(filler, 5), decisive[c]])) for c in y]
    model = make_text_classifier("fast", random_state=0, epochs=8).fit(texts, y)
    table = class_tokens(model, texts, ngram_range=(1, 1), n_tokens=1)
    assert dict(zip(table["class"], table["tokens"], strict=True)) == decisive


def test_ids_stand_for_the_tokens_of_a_classifier_without_sequencer():
    classifier = small_classifier(epochs=3).fit(IDS, Y)
    table = class_tokens(classifier, IDS, min_documents=1)
    assert set(table["tokens"].str.split().explode()) <= set(map(str, range(2, 20)))
    assert table["class"].unique().tolist() == np.unique(classifier.predict(IDS)).tolist()


def test_labels_have_the_documents_in_which_they_are_most_probable():
    indicator = np.column_stack([Y, 1 - Y, IDS[:, -1] % 3 == 0]).astype(int)
    classifier = small_classifier(epochs=3).fit(IDS, indicator)
    table = class_tokens(classifier, IDS, ngram_range=(1, 1), min_documents=1, n_tokens=50)
    best = classifier.predict_proba(IDS).argmax(axis=1)
    assert set(table["class"]) <= set(best)
    for label, rows in table.groupby("class"):
        assert rows["n_documents"].max() <= (best == label).sum()


def test_occlusion_supports_custom_models():
    classifier = KerasTextClassifier(network, epochs=1, random_state=0)
    model = make_pipeline(TextSequencer(), classifier).fit(TEXTS, LABELS)
    table = class_tokens(model, TEXTS, method="occlusion", min_documents=1)
    assert table.columns.tolist() == COLUMNS
    assert (table["value"] > 0).all()


def test_hashed_tokens_are_ids():
    model = make_text_classifier("fast", indexing="hash", random_state=0).fit(TEXTS, LABELS)
    tokens = class_tokens(model, TEXTS, min_documents=1)["tokens"]
    assert len(tokens)
    assert all(token.isdigit() for ngram in tokens for token in ngram.split())


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_a_model_that_was_fitted_with_names_of_columns_does_not_warn(method):
    with config_context(transform_output="pandas"), warnings.catch_warnings():
        warnings.simplefilter("error")
        model = make_text_classifier("fast", random_state=0).fit(TEXTS, LABELS)
        assert hasattr(model[-1], "feature_names_in_")
        assert len(class_tokens(model, TEXTS, min_documents=1, method=method))


# --- Errors


@pytest.mark.parametrize("ngram_range", [(0, 1), (2, 1), (1,), (1, 2.0), 2, "12", None])
def test_invalid_ngram_range(model, ngram_range):
    with pytest.raises(ValueError, match=r"ngram_range=.* must be a pair of integers"):
        class_tokens(model, TEXTS, ngram_range=ngram_range)


@pytest.mark.parametrize("name", ["n_tokens", "min_documents"])
def test_invalid_number(model, name):
    with pytest.raises(ValueError, match=f"{name} == 0, must be >= 1"):
        class_tokens(model, TEXTS, **{name: 0})
    with pytest.raises(TypeError, match=f"{name} must be an instance of"):
        class_tokens(model, TEXTS, **{name: 1.5})


def test_model_that_is_not_fitted():
    with pytest.raises(NotFittedError):
        class_tokens(make_text_classifier("fast"), TEXTS)


# --- The display


def test_display_has_a_panel_per_class_and_a_bar_per_ngram(plt, model):
    display = ClassTokensDisplay.from_estimator(model, TEXTS, min_documents=1, n_tokens=4)
    table = class_tokens(model, TEXTS, min_documents=1, n_tokens=4)
    assert [ax.get_title() for ax in display.ax_] == ["bad", "good"]
    for ax, (_, rows) in zip(display.ax_, table.groupby("class"), strict=True):
        best = rows.nlargest(4, "value")
        assert_allclose([bar.get_width() for bar in ax.patches], best["value"])
        expected = [f"{r.tokens} ({r.n_documents})" for r in best.itertuples()]
        assert [label.get_text() for label in ax.get_yticklabels()] == expected
    assert display.figure_ is display.ax_[0].figure
    display.figure_.canvas.draw()


def test_display_of_many_classes_and_on_given_axes(plt, table_of):
    found = [attribution("fine", [1], target) for target in ("bad", "good")]
    table = table_of(found)
    assert len(ClassTokensDisplay(table).plot(max_classes=1).ax_) == 1
    figure, axes = plt.subplots(1, 2)
    display = ClassTokensDisplay(table).plot(ax=axes)
    assert display.figure_ is figure
    assert display.ax_[0] is axes[0]


def test_display_of_an_empty_table(plt, table_of):
    with pytest.raises(ValueError, match="The table has no rows; pass more documents"):
        ClassTokensDisplay(table_of([])).plot()


def test_long_tokens_keep_their_first_characters(plt, table_of):
    table = table_of([attribution("x" * 60, [1])])
    (ax,) = ClassTokensDisplay(table).plot().ax_
    assert ax.get_yticklabels()[0].get_text() == f"{'x' * 21}... (1)"


@pytest.mark.parametrize("name", ["n_tokens", "max_classes"])
def test_invalid_number_of_bars_or_panels(plt, table_of, name):
    display = ClassTokensDisplay(table_of([attribution("fine", [1])]))
    with pytest.raises(ValueError, match=f"{name} == 0, must be >= 1"):
        display.plot(**{name: 0})
    with pytest.raises(TypeError, match=f"{name} must be an instance of"):
        display.plot(**{name: 1.5})
    assert plt.get_fignums() == []
