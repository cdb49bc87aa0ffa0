"""fit_stream: reading, shuffling, training and memory use."""

import gc
import json
import os
import pickle
import subprocess
import sys
import weakref
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import LABELS, TEXTS, assert_same_weights, small_classifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import SGDClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from streams import CLASSES, DOCUMENTS, LABEL_OF, make_model, pairs

from sklstm import TextSequencer
from sklstm._training.batches import bucket_widths, width_candidates
from sklstm.streaming import Documents, fit_stream, in_blocks, shuffle

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def recording(model):
    """Return the pipeline with a first step that notes the texts of each call, and the notes."""
    calls = []

    def note(X):
        calls.append(list(X))
        return X

    return make_pipeline(FunctionTransformer(note), *(step for _, step in model.steps)), calls


def numbered(n, size):
    """Give chunks of documents which are numbers."""
    for start in range(0, n, size):
        numbers = np.arange(start, min(start + size, n))
        yield Documents(numbers.astype(object), None, numbers)


def draws_of(n, *, chunk, size, seed=0):
    blocks = in_blocks(numbered(n, chunk), size)
    return [draw.y for draw in shuffle(blocks, size, np.random.default_rng(seed))]


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "reviews.csv"
    frame = pd.DataFrame({"review": DOCUMENTS, "verdict": LABELS * 8, "stars": [4, 1] * 48})
    frame.to_csv(path, index=False)
    return path


# What is read, and in which order


@pytest.mark.parametrize("chunk", [1, 7, 50, 1_000])
@pytest.mark.parametrize("n", [1, 19, 20, 41, 100])
def test_each_document_is_drawn_once_and_draws_have_one_size(n, chunk):
    size = 20
    draws = draws_of(n, chunk=chunk, size=size)
    assert sorted(np.concatenate(draws)) == list(range(n))
    *full, last_but_one, last = [0, *map(len, draws)]
    assert set(full) <= {0, size}
    assert abs(last_but_one - last) <= 1 or last_but_one in (0, size)
    assert n < size or last >= size // 2


def test_documents_are_taken_out_of_their_order_and_only_after_they_were_read():
    size = 50
    draws = draws_of(1_000, chunk=30, size=size)
    for number, draw in enumerate(draws):
        assert draw.max() < (number + 2) * size
        assert (np.diff(draw) < 0).any()
    # What was read last is half of the buffer, and so of an even draw.
    older = [np.mean(draw < (number + 1) * size) for number, draw in enumerate(draws[1:-2], 1)]
    assert np.mean(older) == pytest.approx(0.5, abs=0.05)
    assert len(set(draws[-1] // size)) > 2


def test_order_follows_from_the_seed():
    one, same, other = (
        draws_of(100, chunk=chunk, size=20, seed=seed) for chunk, seed in ((9, 0), (31, 0), (9, 1))
    )
    np.testing.assert_array_equal(np.concatenate(one), np.concatenate(same))
    assert (np.concatenate(one) != np.concatenate(other)).any()


def test_training_equals_calls_of_partial_fit_by_hand():
    model, calls = recording(make_model())
    fit_stream(model, pairs(), classes=CLASSES, buffer_size=40, random_state=3)
    assert [len(texts) for texts in calls] == [20, 20, 20, 18, 18]

    sequencer, classifier = make_model(vocab_size=300)
    sequencer.fit([" ".join(["long"] * 14)])
    for texts in calls:
        labels = [LABEL_OF[text] for text in texts]
        classifier.partial_fit(sequencer.transform(texts), labels, classes=CLASSES)
    assert_same_weights(model[-1].weights_, classifier.weights_)


def test_each_epoch_reads_every_document_in_another_order():
    model, calls = recording(make_model())
    opened = []

    def reopen():
        opened.append(True)
        return pairs()

    fit_stream(model, reopen, classes=CLASSES, epochs=2, buffer_size=40, random_state=0)
    first, second = (list(chain.from_iterable(calls[i : i + 5])) for i in (0, 5))
    assert sorted(first) == sorted(second) == sorted(DOCUMENTS)
    assert first != second
    assert len(opened) == 2


@pytest.mark.parametrize("kind", ["str", "object"])
def test_chunks_of_a_csv_file_train_like_pairs(csv, kind):
    chunks = pd.read_csv(csv, chunksize=10, dtype={"review": kind})
    how = {"classes": CLASSES, "buffer_size": 40, "random_state": 0}
    of_file = fit_stream(make_model(), chunks, text="review", label="verdict", **how)
    of_pairs = fit_stream(make_model(), pairs(), **how)
    assert_same_weights(of_file[-1].weights_, of_pairs[-1].weights_)


def test_columns_of_texts_keep_their_names(csv):
    chunks = pd.read_csv(csv, chunksize=40, dtype=str)
    model = make_model()
    fit_stream(model, chunks, text=["review", "stars"], label="verdict", classes=CLASSES)
    assert model[0].feature_names_in_.tolist() == ["review", "stars"]


def test_labels_of_several_columns_are_an_indicator():
    frame = pd.DataFrame({"text": TEXTS, "good": [1, 0] * 6, "long": [0, 0, 1] * 4})
    model = fit_stream(make_model(), [frame] * 3, text="text", label=["good", "long"], epochs=2)
    assert model.predict(TEXTS).shape == (12, 2)
    alone = fit_stream(make_model(), [frame], text="text", label=["good"])
    assert alone.predict(TEXTS).shape == (12,)


@pytest.mark.parametrize("labels", [[7, 3], [True, False], [0.0, 1.0], ["b", "a"]])
def test_classes_are_found_in_a_stream_that_can_be_read_again(labels):
    chunks = [(TEXTS[:6], labels * 3), (TEXTS[6:], pd.Series(labels * 3, index=range(9, 15)))]
    model = fit_stream(make_model(), chunks)
    assert model.classes_.tolist() == sorted(labels)
    assert model.classes_.dtype.kind == np.array(labels).dtype.kind


def test_empty_chunks_and_missing_texts_do_no_harm():
    chunks = [([], []), ([None, *TEXTS[1:]], LABELS), (pd.Series([], dtype=str), np.array([]))]
    model, calls = recording(make_model())
    fit_stream(model, chunks, classes=CLASSES)
    assert [len(texts) for texts in calls] == [12]


# What the steps learn


def test_rows_are_as_wide_as_the_longest_document_may_be():
    short_first = iter([(["short"] * 4, LABELS[:4]), ([" ".join("abcdefghijklmnop")], ["bad"])])
    model, calls = recording(make_model())
    fit_stream(model, short_first, classes=CLASSES, buffer_size=4, random_state=0)
    assert calls[0] == ["short", "short"]
    assert model[-1].n_features_in_ == model[1].max_len_ == 14


@pytest.mark.parametrize("parameters", [{"max_len": 6}, {"indexing": "hash", "max_len": None}])
def test_what_is_to_be_learned_is_learned_from_all_documents_first(parameters):
    model = make_pipeline(TextSequencer(max_tokens=50, **parameters), small_classifier())
    fit_stream(model, lambda: pairs(size=5), buffer_size=10, random_state=0)
    reference = TextSequencer(max_tokens=50, **parameters).fit(DOCUMENTS)
    assert model[0].max_len_ == reference.max_len_
    assert model[0].n_tokens_ == reference.n_tokens_ == model[-1].vocab_size_
    assert model[0].transform(DOCUMENTS).tolist() == reference.transform(DOCUMENTS).tolist()


def test_a_given_vocabulary_needs_one_reading():
    sequencer = TextSequencer(vocabulary=["film", "dull", "fine", "warm"], max_len=9)
    model = make_pipeline(sequencer, small_classifier())
    fit_stream(model, pairs(), classes=CLASSES)
    assert (sequencer.max_len_, model[-1].vocab_size_) == (9, 6)


def test_network_has_all_ids_and_its_parameters_stay_those_of_the_user():
    model = make_model()
    before = model.get_params()
    fit_stream(model, pairs(), classes=CLASSES, buffer_size=4)
    assert model[-1].vocab_size_ == 300
    after = model.get_params()
    assert {name: after[name] for name in before} == before
    smaller = fit_stream(make_model(vocab_size=200), pairs(), classes=CLASSES)
    assert smaller[-1].vocab_size_ == 200


def test_a_fitted_sequencer_stays_as_it_is():
    sequencer = TextSequencer().fit(TEXTS[:2])
    tokens = sequencer.tokens_
    fit_stream(make_pipeline(sequencer, small_classifier()), pairs(), classes=CLASSES)
    assert sequencer.tokens_ is tokens


def test_a_second_stream_trains_on_after_a_detour_through_pickle():
    model = fit_stream(make_model(), pairs(), classes=CLASSES, random_state=0)
    weights, loaded = model[-1].weights_, pickle.loads(pickle.dumps(model))
    for one in (model, loaded):
        fit_stream(one, pairs(), random_state=1)
    assert_same_weights(model[-1].weights_, loaded[-1].weights_)
    assert (weights["output/kernel"] != model[-1].weights_["output/kernel"]).any()
    values = model[-1]._optimizer_state["values"]
    steps = [value for value in values if value.ndim == 0 and value.dtype.kind == "i"]
    assert steps[0] == 2 * -(-len(DOCUMENTS) // 32)


def test_a_network_that_was_trained_with_fewer_ids_keeps_their_number():
    model = make_model()
    ids = model[0].fit_transform(DOCUMENTS)
    model[-1].partial_fit(np.minimum(ids, 99), LABELS * 8, classes=CLASSES)
    fit_stream(model, pairs())
    assert model[-1].vocab_size_ == 100


def test_a_file_sorted_by_label_is_learned_if_the_buffer_holds_it():
    by_label = sorted(DOCUMENTS * 4, key=LABEL_OF.get)
    model = make_model(learning_rate=0.03)
    fit_stream(
        model, lambda: pairs(by_label, 50), epochs=6, buffer_size=2 * len(by_label), random_state=0
    )
    assert model.score(DOCUMENTS, LABELS * 8) > 0.9


def test_a_file_sorted_by_label_is_reported_where_the_buffer_is_too_small():
    by_label = sorted(DOCUMENTS * 8, key=LABEL_OF.get)
    with pytest.warns(UserWarning, match=r"100 documents, drawn from a buffer of 200.*'bad'"):
        fit_stream(make_model(), pairs(by_label, 50), classes=CLASSES, buffer_size=200)


def test_a_linear_model_learns_from_the_same_stream():
    model = make_pipeline(HashingVectorizer(), "passthrough", SGDClassifier(random_state=0))
    fit_stream(model, lambda: pairs(), epochs=5, buffer_size=40, random_state=0)
    assert model.score(DOCUMENTS, LABELS * 8) > 0.9


# Memory


class Text(str):
    """A text of which one can count how many there are."""


def test_no_more_than_the_buffer_is_held_while_the_next_chunk_is_made():
    chunk, buffer_size, held, most = 10, 60, weakref.WeakSet(), []

    def stream():
        for start in range(0, 600, chunk):
            texts = [Text(f"{number} {TEXTS[number % 12]}") for number in range(start, start + 10)]
            most.append(len(held))
            held.update(texts)
            yield texts, LABELS[:chunk]
            del texts

    model = make_pipeline(HashingVectorizer(), SGDClassifier())
    fit_stream(model, stream(), classes=CLASSES, buffer_size=buffer_size)
    assert max(most) <= buffer_size
    gc.collect()
    assert len(held) == 0


def test_a_long_stream_needs_few_widths():
    rng = np.random.default_rng(0)
    width, chosen = 500, set()
    for _ in range(300):
        lengths = rng.integers(1, rng.integers(2, width + 1), 200)
        for skips_padding in (False, True):
            widths = bucket_widths(lengths, width, 1, skips_padding=skips_padding)
            chosen |= {(skips_padding, w) for w in widths.tolist()}
    assert {w for skips, w in chosen if skips} <= {64, 128, 256, 512}
    assert {w for skips, w in chosen if not skips} <= set(width_candidates(width).tolist())


@pytest.mark.slow
def test_a_stream_ten_times_as_long_takes_the_same_memory(tmp_path):
    path = tmp_path / "results.json"
    command = [sys.executable, str(BENCHMARKS / "stream_memory.py"), "--json", str(path)]
    command += ["--documents", "200000", "--shorter", "20000"]
    # With its usual options, XLA takes longer to compile, and the code is three times as fast.
    environment = os.environ | {"XLA_FLAGS": ""}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)
    assert done.returncode == 0, done.stderr
    (table,) = json.loads(path.read_text(encoding="utf-8"))["tables"].values()
    shorter, longer = table
    assert longer["documents"] == 10 * shorter["documents"] == 200_000
    taken = [row["peak, MB"] - row["before, MB"] for row in (shorter, longer)]
    assert taken[1] < 1.5 * taken[0]
    assert longer["accuracy"] > 0.9


# Errors


def test_an_interrupted_model_is_that_of_the_last_call():
    def interrupted():
        yield from [next(pairs(DOCUMENTS[:40], 40)), next(pairs(DOCUMENTS[40:44], 4))]
        raise KeyboardInterrupt

    model, calls = recording(make_model())
    with pytest.raises(KeyboardInterrupt):
        fit_stream(model, interrupted(), classes=CLASSES, buffer_size=40, random_state=0)
    assert [len(texts) for texts in calls] == [20]
    reference = make_model(vocab_size=300)
    reference[0].fit([" ".join(["long"] * 14)])
    labels = [LABEL_OF[text] for text in calls[0]]
    ids = reference[0].transform(calls[0])
    reference[-1].partial_fit(ids, labels, classes=CLASSES)
    assert_same_weights(model[-1].weights_, reference[-1].weights_)
    assert set(model.predict(TEXTS)) <= set(CLASSES)
    fit_stream(model, pairs())


@pytest.mark.parametrize("indexing", ["hash", "vocabulary"])
def test_a_model_that_could_not_be_trained_is_as_it_was(indexing):
    sequencer = TextSequencer(indexing=indexing)
    model = make_pipeline(sequencer, small_classifier(early_stopping=True))
    with pytest.raises(ValueError, match="does not support early_stopping=True"):
        fit_stream(model, lambda: pairs(), classes=CLASSES)
    assert not hasattr(sequencer, "max_len_")
    assert not hasattr(model[-1], "classes_")
    assert model[-1].vocab_size is None


# Progress


def test_progress_is_shown_where_it_is_asked_for(capsys):
    fit_stream(make_model(), pairs(), classes=CLASSES, buffer_size=40)
    assert capsys.readouterr().out == ""
    fit_stream(make_model(), lambda: pairs(), epochs=2, buffer_size=40, verbose=1)
    ahead, first, second = capsys.readouterr().out.splitlines()
    assert ahead.startswith("Reading ahead: 96 documents in ")
    assert first.startswith("Epoch 1/2: loss ")
    assert "96 documents in " in first
    assert first.endswith(" left")
    assert second.startswith("Epoch 2/2: loss ")
    fit_stream(make_model(), pairs(), classes=CLASSES, buffer_size=40, verbose=2)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Epoch 1/1: loss ")


def test_progress_shows_the_means_over_documents(capsys):
    model = make_model(learning_rate=1e-9)
    fit_stream(model, pairs(), classes=CLASSES, buffer_size=40, random_state=0, verbose=2)
    line = capsys.readouterr().out.splitlines()[-1]
    shown = float(line.partition("accuracy ")[2].split(",")[0])
    assert shown == pytest.approx(model.score(DOCUMENTS, LABELS * 8), abs=1e-4)
