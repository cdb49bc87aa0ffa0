"""Displays plot the fitted attributes of an estimator, on given axes or a new figure."""

from html.parser import HTMLParser

import numpy as np
import pytest
from comparing import scored
from conftest import LABELS, TEXTS, make_ids, small_classifier
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklstm import (
    ComparisonDisplay,
    LSTMStateDisplay,
    MultilabelConfusionDisplay,
    NetworkDisplay,
    TextSequencer,
    ThresholdDisplay,
    TokenAttributionDisplay,
    TrainingHistoryDisplay,
    lstm_states,
    token_attributions,
)
from sklstm.inspection import LSTMStates, TokenAttributions


@pytest.fixture(scope="module")
def pipeline():
    return make_pipeline(TextSequencer(), small_classifier(epochs=3)).fit(TEXTS, LABELS)


@pytest.fixture(scope="module")
def bidirectional():
    return make_pipeline(TextSequencer(), small_classifier(bidirectional=True)).fit(TEXTS, LABELS)


def attributions(tokens, values, **others):
    return TokenAttributions(
        tokens=np.array(tokens),
        values=np.array(values, dtype=float),
        **({"target": "good", "score": 1.5, "baseline_score": 0.5} | others),
    )


# Training


def test_history_is_plotted_by_epoch(pipeline, plt):
    display = TrainingHistoryDisplay.from_estimator(pipeline)
    history = pipeline[-1].history_
    assert display.lines_.keys() == history.keys()
    for name, line in display.lines_.items():
        assert_array_equal(line.get_xdata(), [1, 2, 3])
        assert_array_equal(line.get_ydata(), history[name])
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "accuracy"]
    assert {ax.get_xlabel() for ax in display.ax_} == {"epoch"}
    assert display.figure_ is display.ax_[0].figure


@pytest.mark.parametrize("scoring", ["loss", "f1"])
def test_history_marks_the_epoch_whose_weights_were_kept(scoring, plt):
    ids, y = make_ids()
    parameters = {"epochs": 6, "early_stopping": True, "n_iter_no_change": 2, "scoring": scoring}
    classifier = small_classifier(**parameters).fit(ids, y)
    display = TrainingHistoryDisplay.from_estimator(classifier)
    best = classifier.best_epoch_
    assert display.best_epoch == best
    legends = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert legends == ["training", "validation", f"kept: epoch {best}"]


def test_history_marks_the_lowest_validation_loss_without_early_stopping(plt):
    ids, y = make_ids()
    classifier = small_classifier(epochs=4).fit(ids, y, X_val=ids[:20], y_val=y[:20])
    display = TrainingHistoryDisplay.from_estimator(classifier)
    best = int(np.argmin(classifier.history_["val_loss"])) + 1
    legends = [text.get_text() for text in display.ax_[0].get_legend().get_texts()]
    assert legends == ["training", "validation", f"best: epoch {best}"]


def test_history_shows_a_score_of_the_validation_data_alone(plt):
    ids, y = make_ids()
    classifier = small_classifier(early_stopping=True, scoring="f1").fit(ids, y)
    display = TrainingHistoryDisplay.from_estimator(classifier)
    assert [ax.get_ylabel() for ax in display.ax_] == ["loss", "accuracy", "score"]
    assert_array_equal(display.lines_["val_score"].get_ydata(), classifier.history_["val_score"])
    legends = [text.get_text() for text in display.ax_[-1].get_legend().get_texts()]
    assert legends == ["validation", f"kept: epoch {classifier.best_epoch_}"]


def test_history_of_one_epoch_has_one_tick(plt):
    display = TrainingHistoryDisplay({"loss": [0.5], "accuracy": [0.9]}).plot()
    display.figure_.canvas.draw()
    start, end = display.ax_[0].get_xlim()
    assert [tick for tick in display.ax_[0].get_xticks() if start <= tick <= end] == [1]


@pytest.mark.parametrize("n_epochs", [7, 60, 250])
def test_ticks_of_epochs_are_epochs(plt, n_epochs):
    display = TrainingHistoryDisplay({"loss": np.linspace(1, 0, n_epochs)}).plot()
    display.figure_.canvas.draw()
    start, end = display.ax_[0].get_xlim()
    ticks = [tick for tick in display.ax_[0].get_xticks() if start <= tick <= end]
    assert len(ticks) > 2
    assert all(tick in range(1, n_epochs + 1) for tick in ticks)


def test_history_is_plotted_on_given_axes(pipeline, plt):
    figure, axes = plt.subplots(1, 2)
    display = TrainingHistoryDisplay.from_estimator(pipeline, ax=axes)
    assert list(display.ax_) == list(axes)
    _, (left, right) = plt.subplots(1, 2)
    inside = TrainingHistoryDisplay.from_estimator(pipeline, ax=right)
    assert inside.figure_ is left.figure
    assert inside.figure_ is not figure
    assert len(inside.figure_.axes) == 4
    assert not right.axison


@pytest.mark.parametrize("n_axes", [1, 3])
def test_wrong_number_of_axes_is_refused(pipeline, plt, n_axes):
    _, axes = plt.subplots(1, n_axes, squeeze=False)
    with pytest.raises(ValueError, match=f"ax contains {n_axes} Axes, and .* draws on 2"):
        TrainingHistoryDisplay.from_estimator(pipeline, ax=axes)


def test_axes_that_cannot_be_divided_are_refused(pipeline, plt):
    ax = plt.figure().add_axes((0.1, 0.1, 0.8, 0.8))
    with pytest.raises(ValueError, match="ax cannot be divided"):
        TrainingHistoryDisplay.from_estimator(pipeline, ax=ax)


def test_history_requires_a_fitted_classifier_with_history(plt):
    with pytest.raises(NotFittedError):
        TrainingHistoryDisplay.from_estimator(small_classifier())
    other = LogisticRegression().fit([[0], [1]], [0, 1])
    with pytest.raises(TypeError, match="LogisticRegression has no history_"):
        TrainingHistoryDisplay.from_estimator(other)


# Gates and states


def test_heat_maps_are_units_by_tokens(pipeline, plt):
    text = "a fine $film$"
    display = LSTMStateDisplay.from_estimator(pipeline, text)
    (states,) = lstm_states(pipeline, [text])
    assert len(display.ax_) == len(display.images_) == 6
    for name, image in display.images_.items():
        assert_array_equal(image.get_array(), getattr(states, name).T)
    tokens = [label.get_text() for label in display.ax_[-1].get_xticklabels()]
    assert tokens == states.tokens.tolist()
    display.figure_.canvas.draw()


def test_gates_have_a_scale_from_0_to_1_and_states_one_around_zero(pipeline, plt):
    display = LSTMStateDisplay.from_estimator(pipeline, TEXTS[0])
    for name, image in display.images_.items():
        vmin, vmax = image.get_clim()
        if name.endswith("gate"):
            assert (vmin, vmax) == (0, 1)
        else:
            assert vmin == -vmax == -np.abs(image.get_array()).max()


def test_quantities_and_units_can_be_chosen(bidirectional, plt):
    display = LSTMStateDisplay.from_estimator(
        bidirectional, TEXTS[0], quantities=["cell_state"], units=[6, 1]
    )
    (states,) = lstm_states(bidirectional, [TEXTS[0]])
    assert_array_equal(display.images_["cell_state"].get_array(), states.cell_state[:, [1, 6]].T)
    (ax,) = display.ax_
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "6"]
    assert [text.get_text() for text in ax.texts] == ["forward", "backward"]
    assert_allclose(ax.lines[0].get_ydata(), 0.5)  # Between the two.


@pytest.mark.parametrize("units", [[0, 4], [0, 4, 5, 6, 7], None], ids=str)
def test_names_of_the_directions_do_not_overlap(bidirectional, plt, units):
    display = LSTMStateDisplay.from_estimator(bidirectional, TEXTS[0], units=units)
    display.figure_.canvas.draw()
    for ax in display.ax_:
        forward, backward = (text.get_window_extent() for text in ax.texts)
        numbers = [label.get_window_extent() for label in ax.get_yticklabels()]
        assert not forward.overlaps(backward)
        assert not any(word.overlaps(number) for word in (forward, backward) for number in numbers)
        assert min(forward.x0, backward.x0) >= 0


def test_invalid_quantities_and_units_are_refused(pipeline, plt):
    with pytest.raises(
        ValueError, match="quantities='cell_state' must be a list with one or more of"
    ):
        LSTMStateDisplay.from_estimator(pipeline, "a film", quantities="cell_state")
    with pytest.raises(ValueError, match=r"quantities=\['state'\]"):
        LSTMStateDisplay.from_estimator(pipeline, "a film", quantities=["state"])
    for units in ([4], [-1], [], [0.5]):
        with pytest.raises(ValueError, match=r"units=.* must contain integers from 0 to 3"):
            LSTMStateDisplay.from_estimator(pipeline, "a film", units=units)
    padding_only = np.zeros(pipeline[0].max_len_, dtype=int)
    with pytest.raises(ValueError, match="states contains no tokens"):
        LSTMStateDisplay.from_estimator(pipeline[1], padding_only)


# Attributions


def test_tokens_are_in_their_order_and_colored_by_sign(plt):
    display = TokenAttributionDisplay(attributions(["a", "dull", "$film$"], [0.01, -2.0, 1.0]))
    display.plot()
    texts = display.ax_.texts
    assert [text.get_text() for text in texts] == ["a", "dull", "$film$"]
    red, _, blue, _ = np.transpose([text.get_bbox_patch().get_facecolor() for text in texts])
    assert red[1] > blue[1]
    assert blue[2] > red[2]
    # Without colors: solid supports, dotted opposes, and negligible values have no line.
    assert [line.get_linestyle() for line in display.ax_.lines] == [":", "-"]
    assert "good: +1.50 logits" in display.ax_.get_title(loc="left")
    display.figure_.canvas.draw()


def test_long_texts_are_broken_into_lines_within_the_axes(plt):
    tokens = ["word", "longer-word", "w" * 200] * 20
    plt.rc("figure", dpi=288)  # At low resolution, the widths of characters are rounded to pixels.
    display = TokenAttributionDisplay(attributions(tokens, np.linspace(-1, 1, 60))).plot()
    places = [text.get_position() for text in display.ax_.texts]
    assert places == sorted(places, key=lambda place: (place[1], place[0]))
    assert len(set(places)) == 60
    display.figure_.canvas.draw()
    right = display.ax_.get_window_extent().x1
    ends = [text.get_window_extent().x1 for text in display.ax_.texts]
    assert all(end <= right or x == 0 for end, (x, _) in zip(ends, places, strict=True))


@pytest.mark.parametrize("figsize", [(5, 3), (9, 6)])
def test_words_and_underlines_are_aligned_on_any_axes(plt, figsize):
    _, axes = plt.subplots(1, 2, figsize=figsize, dpi=288, layout="constrained")
    tokens = ["terrible", "a", "very-long", "word"] * 15
    shown = TokenAttributionDisplay(attributions(tokens, np.tile([1.0, -1.0], 30)))
    display = shown.plot(ax=axes[1])
    display.figure_.canvas.draw()
    words = [text.get_window_extent() for text in display.ax_.texts]
    letter = words[0].width / len(tokens[0])
    for word, line in zip(words, display.ax_.lines, strict=True):
        ends = line.get_transform().transform(line.get_xydata())[:, 0]
        assert_allclose(ends, [word.x0, word.x1], atol=0.2 * letter)
    places = [text.get_position() for text in display.ax_.texts]
    for number in range(1, len(words)):
        if places[number][1] == places[number - 1][1]:
            assert_allclose(words[number].x0 - words[number - 1].x1, letter, atol=0.2 * letter)
    assert min(word.y0 for word in words) >= display.ax_.get_window_extent().y0


def test_negligible_values_are_neither_colored_nor_underlined(plt):
    shown = TokenAttributionDisplay(attributions(["a", "film"], [1e-4, -2e-4]))
    display = shown.plot()
    assert not display.ax_.lines
    for text in display.ax_.texts:
        assert_allclose(text.get_bbox_patch().get_facecolor(), 1, atol=0.02)
    assert "solid #" not in shown._repr_html_()
    start, end = shown.plot(kind="bar").ax_.get_xlim()
    assert end - start > 50 * 2e-4


def test_bars_are_the_values(pipeline, plt):
    display = TokenAttributionDisplay.from_estimator(
        pipeline, TEXTS[0], target="bad", method="occlusion", kind="bar"
    )
    (found,) = token_attributions(pipeline, [TEXTS[0]], target="bad", method="occlusion")
    assert_allclose([bar.get_width() for bar in display.ax_.patches], found.values)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == found.tokens.tolist()
    assert "logits" in display.ax_.get_xlabel()


def test_text_is_plotted_on_given_axes(plt):
    _, axes = plt.subplots()
    assert TokenAttributionDisplay(attributions(["a"], [0.0])).plot(ax=axes).ax_ is axes
    with pytest.raises(ValueError, match="kind='pie' must be 'text' or 'bar'"):
        TokenAttributionDisplay(attributions(["a"], [0.0])).plot(kind="pie")


def test_html_contains_each_token_with_its_value_and_escapes_markup():
    class Words(HTMLParser):
        def __init__(self):
            super().__init__()
            self.words, self.titles, self.open = [], [], []

        def handle_starttag(self, tag, attrs):
            if tag == "br":
                return
            self.open.append(tag)
            if tag == "span":
                self.titles.append(dict(attrs)["title"])

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_data(self, data):
            if self.open[-1] == "span":
                self.words.append(data)

    tokens = ["fine", "<script>", "a&b"]
    shown = TokenAttributionDisplay(attributions(tokens, [1.0, -0.5, 0.0], target="<b>"))
    parser = Words()
    parser.feed(shown._repr_html_())
    assert parser.words == tokens
    assert parser.titles == ["+1.000", "-0.500", "+0.000"]
    assert not parser.open
    assert "<b>" not in shown._repr_html_()


# Comparisons


def test_comparison_is_drawn_as_its_plot_is(plt):
    comparison = scored([0.5, 0.6, 0.5], [0.8, 0.9, 0.8])
    display = ComparisonDisplay.from_comparison(comparison, alpha=0.1)
    ax = comparison.plot(alpha=0.1)
    assert display.figure_ is display.ax_.figure
    for ours, theirs in zip(display.ax_.lines, ax.lines, strict=True):
        assert_array_equal(ours.get_xydata(), theirs.get_xydata())


# matplotlib


@pytest.mark.parametrize(
    "display",
    [
        TrainingHistoryDisplay({"loss": [0.5]}),
        LSTMStateDisplay(LSTMStates(np.array(["a"]), *[np.zeros((1, 2))] * 6)),
        TokenAttributionDisplay(attributions(["a"], [1.0])),
        ComparisonDisplay([], "accuracy"),
        NetworkDisplay([]),
        MultilabelConfusionDisplay([[[1, 0], [0, 1]]]),
        ThresholdDisplay([]),
    ],
    ids=lambda display: type(display).__name__,
)
def test_without_matplotlib_a_display_names_what_to_install(display, without_matplotlib):
    with pytest.raises(ImportError, match=f"{type(display).__name__} needs matplotlib.*pip instal"):
        display.plot()
