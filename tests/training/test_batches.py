"""Batches contain every document once, with little padding and few shapes."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from sklstm._network.embedding_table import left_align
from sklstm._training import batches
from sklstm._training.data import Examples

LENGTHS = np.random.default_rng(0).geometric(0.02, size=5000).clip(1, 200)


def test_left_align_keeps_the_tokens_in_order():
    ids = np.array([[0, 0, 3, 4], [5, 6, 0, 0], [7, 0, 8, 0], [0, 0, 0, 0]], dtype=np.int32)
    aligned, lengths = left_align(ids)
    np.testing.assert_array_equal(aligned, [[3, 4, 0, 0], [5, 6, 0, 0], [7, 8, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(lengths, [2, 2, 2, 0])


def whole(shuffled):
    return [np.concatenate(buckets) for buckets in shuffled]


@pytest.mark.parametrize("batch_size", [1, 5, 32])
@pytest.mark.parametrize("n_documents", [1, 31, 64, 65, 5000])
def test_each_document_is_in_one_batch_of_at_most_the_batch_size(n_documents, batch_size):
    shuffled = whole(
        batches.shuffled_batches(LENGTHS[:n_documents], batch_size, np.random.default_rng(0))
    )
    assert sorted(np.concatenate(shuffled)) == list(range(n_documents))
    sizes = {len(batch) for batch in shuffled}
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(shuffled) == -(-n_documents // batch_size)


def padding_fraction(shuffled):
    slots = sum(len(batch) * LENGTHS[batch].max() for batch in shuffled)
    return 1 - LENGTHS.sum() / slots


def test_buckets_contain_documents_of_similar_length():
    shuffled = batches.shuffled_batches(LENGTHS, 32, np.random.default_rng(0))
    plain = np.array_split(np.random.default_rng(0).permutation(len(LENGTHS)), len(shuffled))
    buckets = [bucket for batch in shuffled for bucket in batch]
    assert padding_fraction(buckets) < 0.15 < 0.6 < padding_fraction(plain)


def test_batches_contain_buckets_of_independent_lengths():
    shuffled = batches.shuffled_batches(LENGTHS, 32, np.random.default_rng(0))
    means = np.array([[LENGTHS[bucket].mean() for bucket in batch] for batch in shuffled])
    assert means.shape[1] == 2
    assert abs(np.corrcoef(means.T)[0, 1]) < 0.25


def test_batches_differ_in_every_epoch_and_follow_from_the_seed():
    rng = np.random.default_rng(0)
    first, second = (batches.shuffled_batches(LENGTHS, 32, rng) for _ in range(2))
    again = batches.shuffled_batches(LENGTHS, 32, np.random.default_rng(0))
    first, second, again = whole(first), whole(second), whole(again)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    together = {frozenset(batch.tolist()) for batch in first}
    assert not together & {frozenset(batch.tolist()) for batch in second}


def test_batches_of_an_epoch_are_not_sorted_by_length():
    shuffled = batches.shuffled_batches(LENGTHS, 32, np.random.default_rng(0))
    longest = np.array([LENGTHS[batch].max() for batch in whole(shuffled)])
    order = np.corrcoef(np.arange(len(longest)), longest)[0, 1]
    assert abs(order) < 0.25


def cost(widths, n_epochs, skips_padding):
    widths = np.array(widths)
    slots = widths[np.searchsorted(widths, LENGTHS)].sum() * n_epochs
    share = batches._SKIPPED_COST if skips_padding else 1
    return slots * share + len(widths) * batches._COMPILE_COST


@pytest.mark.parametrize("n_epochs", [1, 3, 30])
@pytest.mark.parametrize("skips_padding", [False, True])
def test_bucket_widths_are_the_best_choice_of_candidates(n_epochs, skips_padding, monkeypatch):
    monkeypatch.setattr(batches, "_WIDTH_RATIO", 1.6)
    candidates = (batches.skipping_widths if skips_padding else batches.width_candidates)(200)
    assert len(candidates) <= 8
    choices = itertools.chain.from_iterable(
        itertools.combinations(candidates, n) for n in range(1, len(candidates) + 1)
    )
    least = min(cost(c, n_epochs, skips_padding) for c in choices if c[-1] >= LENGTHS.max())
    chosen = batches.bucket_widths(LENGTHS, 200, n_epochs, skips_padding=skips_padding)
    assert cost(chosen, n_epochs, skips_padding) == pytest.approx(least)
    assert (np.diff(chosen) > 0).all()


@pytest.mark.parametrize("skips_padding", [False, True])
def test_more_epochs_are_worth_more_widths(skips_padding):
    few, many = (
        len(batches.bucket_widths(LENGTHS, 200, n, skips_padding=skips_padding)) for n in (1, 3000)
    )
    assert 1 <= few < many


def test_the_widest_bucket_holds_the_longest_document_and_no_more_than_needed():
    def widest(lengths, width):
        return batches.bucket_widths(np.array(lengths), width, 1, skips_padding=False)[-1]

    assert widest([3, 9], 500) < 16
    assert widest([3, 500], 500) == 500
    assert widest([3, 3], 3) == 3


@pytest.mark.parametrize("width", [1, 31, 32, 33, 500, 512, 513])
def test_widths_of_networks_that_skip_padding_are_shared_by_all_data_sets(width):
    widths = batches.skipping_widths(width)
    assert widths[-1] >= width
    assert len(widths) == 1 or widths[-2] < width
    np.testing.assert_array_equal(widths, batches.skipping_widths(5000)[: len(widths)])


def test_make_micro_batches_are_filled_up_with_documents_of_no_weight():
    ids, lengths = left_align(np.array([[1, 2, 3], [0, 4, 5], [0, 0, 6]], dtype=np.int32))
    targets = np.array([[1], [0], [1]], dtype=np.float32)
    examples = Examples(ids, targets, np.array([1, 2, 3], dtype=np.float32), lengths)
    parts = batches.make_micro_batches(
        examples, [np.array([2, 1]), np.array([0])], 2, 3, np.array([2, 4])
    )
    (block, block_targets, weights), (other_block, other_targets, other_weights) = parts
    np.testing.assert_array_equal(block, [[6, 0], [4, 5], [0, 0]])
    np.testing.assert_array_equal(block_targets, [[1], [0], [0]])
    np.testing.assert_array_equal(weights, [3, 2, 0])
    np.testing.assert_array_equal(other_block, [[1, 2, 3, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    np.testing.assert_array_equal(other_targets, [[1], [0], [0]])
    np.testing.assert_array_equal(other_weights, [1, 0, 0])


def test_a_single_micro_batch_contains_all_buckets():
    ids = np.arange(1, 4, dtype=np.int32)[:, None]
    examples = Examples(ids, ids * 1.0, np.ones(3, dtype=np.float32), np.ones(3, dtype=int))
    ((block, _, _),) = batches.make_micro_batches(
        examples, [np.array([2, 0]), np.array([1])], 1, 4, np.array([1])
    )
    np.testing.assert_array_equal(block, [[3], [1], [2], [0]])


@pytest.mark.parametrize("micro_batch_rows", [None, 16, 32])
@pytest.mark.parametrize("n_most", [1, 7, 16, 31, 32, 50, 64, 96, 250])
def test_micro_batches_have_room_for_every_batch(n_most, micro_batch_rows):
    n_micro_batches, n_rows = batches.micro_batch_sizes(n_most, micro_batch_rows)
    for n_documents in {n_most, max(1, n_most - 1)}:
        buckets = np.array_split(np.arange(n_documents), 2)
        cut = (
            np.split(np.arange(n_documents), [])
            if n_micro_batches == 1
            else [
                rows for bucket in buckets for rows in np.array_split(bucket, n_micro_batches // 2)
            ]
        )
        assert len(cut) == n_micro_batches
        assert max(map(len, cut)) <= n_rows
    if micro_batch_rows and n_most >= 32:
        assert n_micro_batches > 1
        assert n_rows <= micro_batch_rows


def test_a_part_without_documents_is_of_the_smallest_width():
    ids = np.ones((1, 9), dtype=np.int32)
    examples = Examples(ids, ids[:, :1] * 1.0, np.ones(1, dtype=np.float32), np.array([9]))
    buckets = [np.array([0]), np.array([], dtype=int)]
    _, (block, _, weights) = batches.make_micro_batches(examples, buckets, 2, 3, np.array([4, 9]))
    assert block.shape == (3, 4)
    assert not block.any()
    assert not weights.any()


@pytest.mark.parametrize("skips_padding", [False, True])
@pytest.mark.parametrize("n_documents", [1, 7, 64, 65, 300])
@pytest.mark.parametrize("micro_batch_rows", [None, 16])
def test_prediction_restores_the_order_and_uses_few_shapes(
    n_documents, skips_padding, micro_batch_rows
):
    lengths = LENGTHS[:n_documents]
    ids = np.where(np.arange(200) < lengths[:, None], np.arange(200) + 1, 0).astype(np.int32)
    ids[:, 0] = np.arange(n_documents)
    shapes = set()

    def first_id_and_length(block):
        shapes.add(block.shape)
        return np.column_stack([block[:, 0], (block[:, 1:] != 0).sum(axis=1) + 1])

    network = SimpleNamespace(
        skips_padding=skips_padding,
        is_thread_safe=True,
        micro_batch_rows=lambda mean_length: micro_batch_rows,
    )
    values = batches.predict_in_batches(network, first_id_and_length, ids, lengths)
    np.testing.assert_array_equal(values, np.column_stack([np.arange(n_documents), lengths]))
    assert {n_rows for n_rows, _ in shapes} <= {1, 8, micro_batch_rows or 64}
    assert len(shapes) <= (4 if skips_padding else 9)


@pytest.mark.parametrize(
    ("lengths", "n_rows"),
    [
        ([200, 200], {1}),
        ([5, 200, 60], {1}),
        ([200] * 8, {8}),
        ([20] * 4, {8}),
        ([10, 10, 10, 400, 10], {1}),
        ([100] * 40, {16}),
    ],
)
def test_few_long_documents_are_predicted_one_by_one(lengths, n_rows):
    lengths = np.array(lengths)
    ids = (np.arange(lengths.max()) < lengths[:, None]).astype(np.int32)
    used = set()

    def count(block):
        used.add(len(block))
        return block.sum(axis=1, keepdims=True)

    network = SimpleNamespace(
        skips_padding=True, is_thread_safe=True, micro_batch_rows=lambda mean_length: 16
    )
    values = batches.predict_in_batches(network, count, ids, lengths)
    np.testing.assert_array_equal(values[:, 0], lengths)
    assert used == n_rows
