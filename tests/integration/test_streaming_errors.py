"""fit_stream rejects invalid streams and models, and leaves the model unchanged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, small_classifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from streams import CLASSES, make_model, pairs

from sklstm import TextSequencer
from sklstm.streaming import fit_stream

FRAME = pd.DataFrame({"text": TEXTS, "label": LABELS})
COLUMNS = {"text": "text", "label": "label"}


@pytest.mark.parametrize(
    ("chunks", "how", "message"),
    [
        ([FRAME], {}, r"text=None is not a column of chunk 1, .* columns \['text', 'label'\]"),
        ([FRAME], {"text": "txt", "label": "label"}, r"text='txt' is not a column of chunk 1"),
        (
            [FRAME],
            {"text": "text", "label": ["label", "y"]},
            r"label=\['label', 'y'\] is not a column",
        ),
        ([FRAME[["text"]]], COLUMNS, r"label='label' is not a column of chunk 1"),
        ([(TEXTS, LABELS[:3])], {}, r"Chunk 1 has texts of shape \(12,\) and labels of .*\(3,\)"),
        ([("one text", LABELS)], {}, r"texts of shape \(\)"),
        ([(TEXTS, LABELS), (TEXTS[:2], ["bad", None])], {}, "label of row 1 of chunk 2 is missing"),
        ([(TEXTS[:2], [np.nan, 1.0])], {}, "label of row 0 of chunk 1 is missing"),
        ([(TEXTS[:2], [[0, 1], [np.nan, 1]])], {}, "label of row 1 of chunk 1 is missing"),
        ([(TEXTS[:2], [["bad"], []])], {}, r"Chunk 1: y contains the tags .*Binarizer\(classes="),
        ([(TEXTS[:2], ["bad", 1])], {}, "labels are of the types int, str"),
        ([(TEXTS[:2], ["bad", "bad"])], {}, r"classes=\['bad'\], but a classifier needs"),
        ([(TEXTS, LABELS)], {"classes": ["bad"]}, r"classes=\['bad'\], but a classifier needs"),
        ([(TEXTS, LABELS)], {"classes": ["bad", "fine"]}, "Row 0 of chunk 1 has the label 'good'"),
        ([(TEXTS, [0, 1] * 6)], {"classes": ["0", "1"]}, "has the label 0, which is not in"),
        (pairs(), {}, "classes=None, and chunks can be read only once"),
        (pairs(), {"classes": CLASSES, "epochs": 2}, r"epochs=2, but chunks is a generator"),
        ([], {}, "chunks contains no documents"),
        (iter([([], [])]), {"classes": CLASSES}, "chunks contains no documents"),
        ([FRAME[["text"]].assign(y=LABELS)], COLUMNS, "label='label' is not a column of chunk 1"),
        (
            [(FRAME[["text"]], LABELS), (FRAME[["label"]], LABELS)],
            {},
            r"differ in their text columns: \['text'\], then \['label'\]",
        ),
        ([(TEXTS, LABELS)], {"epochs": 0}, "epochs == 0, must be >= 1"),
        ([(TEXTS, LABELS)], {"buffer_size": 1}, "buffer_size == 1, must be >= 2"),
        ([(TEXTS, LABELS)], {"verbose": 3}, "verbose == 3, must be <= 2"),
    ],
)
def test_errors_name_the_problem_and_leave_the_model_alone(chunks, how, message):
    model = make_model()
    before = vars(model[-1]).copy(), vars(model[0]).copy()
    with pytest.raises(ValueError, match=message):
        fit_stream(model, chunks, **how)
    assert (vars(model[-1]), vars(model[0])) == before


def test_a_function_that_returns_what_has_been_read_is_told_from_one_that_opens_it_anew():
    reader = pairs()
    with pytest.raises(ValueError, match=r"no documents. A function must return a new iterable"):
        fit_stream(make_model(), lambda: reader, classes=CLASSES, epochs=2)


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ("reviews.csv", r"chunks is a str; .*pd.read_csv\(path, chunksize"),
        (Path("reviews.csv"), r"chunks is a \w*Path"),
        (FRAME, "chunks is a DataFrame; .* Put a single chunk into a list"),
        (7, "chunks is a int"),
        (lambda: FRAME, r"chunks\(\) is a DataFrame"),
        ([TEXTS], "Chunk 1 is a list"),
        ((TEXTS, LABELS), "Chunk 1 is a list"),
    ],
)
def test_what_is_no_stream_is_refused(chunks, message):
    with pytest.raises(TypeError, match=message):
        fit_stream(make_model(), chunks, classes=CLASSES)


@pytest.mark.parametrize("parameters", [{}, {"indexing": "hash", "max_len": None}])
def test_a_sequencer_that_must_see_all_documents_needs_a_stream_that_can_be_opened_again(
    parameters,
):
    model = make_pipeline(TextSequencer(**parameters), small_classifier())
    with pytest.raises(ValueError, match=r"vocabulary or width .* is a generator.*indexing='hash'"):
        fit_stream(model, pairs(), classes=CLASSES)


def test_models_that_cannot_learn_from_a_stream_are_refused():
    with pytest.raises(TypeError, match="model is a LSTMTextClassifier; it must be a Pipeline"):
        fit_stream(small_classifier(), pairs())
    with pytest.raises(TypeError, match="last step has partial_fit"):
        fit_stream(make_pipeline(TextSequencer(), TfidfTransformer()), pairs())
    model = make_pipeline(HashingVectorizer(), TfidfTransformer(), SGDClassifier())
    with pytest.raises(ValueError, match=r"step TfidfTransformer\(\), which is not fitted"):
        fit_stream(model, pairs())
