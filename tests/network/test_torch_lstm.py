"""The LSTM loop for torch equals the equations, and its gradients those of a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from reference import lstm as reference_lstm

torch = pytest.importorskip("torch")

from sklstm._network.torch_lstm import lstm  # noqa: E402

N_STEPS, N_INPUTS, UNITS = 7, 5, 4
LENGTHS = np.array([7, 1, 4, 0, 6])
STEPS = np.arange(N_STEPS)[:, None]

MASKS = {
    "no mask": None,
    "padded on the right": STEPS < LENGTHS,
    "padded on the left": STEPS >= N_STEPS - LENGTHS,
    "padded on both sides": (STEPS >= 1) & (STEPS < 5) & (LENGTHS > 0),
    "longest row short of the steps": np.minimum(LENGTHS, 3) > STEPS,
    "gaps": np.random.default_rng(0).random((N_STEPS, 5)) < 0.5,
    "all tokens": np.ones((N_STEPS, 5), dtype=bool),
    "no tokens": np.zeros((N_STEPS, 5), dtype=bool),
}
all_masks = pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
each_result = pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])


def arguments(n_steps=N_STEPS, n_rows=5, scale=0.5):
    """Return inputs, kernel, recurrent kernel and bias that want gradients."""
    rng = np.random.default_rng(1)
    shapes = [(n_steps, n_rows, N_INPUTS), (N_INPUTS, 4 * UNITS), (UNITS, 4 * UNITS), (4 * UNITS,)]
    return [
        torch.tensor(rng.normal(0, scale, shape), dtype=torch.float32, requires_grad=True)
        for shape in shapes
    ]


def run(x, *weights, mask, sequences):
    return lstm(x, None if mask is None else torch.tensor(mask), weights, sequences)


def plain_loop(x, kernel, recurrent_kernel, bias, mask, sequences):
    """Do what `lstm` does, step by step."""
    h = c = torch.zeros(x.shape[1], UNITS)
    states = []
    for t, x_t in enumerate(x):
        i, f, g, o = (x_t @ kernel + h @ recurrent_kernel + bias).chunk(4, dim=1)
        c_new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h_new = o.sigmoid() * c_new.tanh()
        taken = torch.tensor(True if mask is None else mask[t][:, None])
        h, c = torch.where(taken, h_new, h), torch.where(taken, c_new, c)
        states.append(h)
    return torch.stack(states) if sequences else h


def gradients(outputs, inputs):
    # Distinct weights, so that no error can cancel out.
    weights = torch.arange(outputs.numel()).reshape(outputs.shape).cos()
    return torch.autograd.grad((outputs**2 * weights).sum(), inputs)


def assert_close(given, expected):
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_allclose(one.detach(), other.detach(), atol=1e-5)


@all_masks
def test_states_agree_with_the_equations_over_the_tokens_alone(mask):
    x, *weights = arguments()
    states = run(x, *weights, mask=mask, sequences=True).detach().numpy()
    last = run(x, *weights, mask=mask, sequences=False).detach().numpy()
    weights = [w.detach().numpy().astype(float) for w in weights]
    for row in range(len(LENGTHS)):
        taken = np.ones(N_STEPS, dtype=bool) if mask is None else mask[:, row]
        h = reference_lstm(x.detach().numpy()[taken, row], *weights).reshape(-1, UNITS)
        expected = np.concatenate([np.zeros((1, UNITS)), h])[np.cumsum(taken)]
        np.testing.assert_allclose(states[:, row], expected, atol=1e-6)
        np.testing.assert_allclose(last[row], expected[-1], atol=1e-6)


@all_masks
@each_result
def test_gradients_equal_those_of_a_plain_loop(mask, sequences):
    inputs = arguments()
    given = run(*inputs, mask=mask, sequences=sequences)
    expected = plain_loop(*inputs, mask=mask, sequences=sequences)
    assert_close([given], [expected])
    assert_close(gradients(given, inputs), gradients(expected, inputs))


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (9, 1), (33, 2), (70, 2)])
@each_result
def test_any_number_of_steps_and_rows(shape, sequences):
    inputs = arguments(*shape)
    mask = np.random.default_rng(0).random(shape) < 0.8
    for m in (None, mask):
        given = run(*inputs, mask=m, sequences=sequences)
        expected = plain_loop(*inputs, mask=m, sequences=sequences)
        assert_close([given], [expected])
        assert_close(gradients(given, inputs), gradients(expected, inputs))


@all_masks
@each_result
def test_states_are_the_same_without_gradients(mask, sequences):
    inputs = arguments()
    with torch.no_grad():
        given = run(*inputs, mask=mask, sequences=sequences)
    assert_close([given], [run(*inputs, mask=mask, sequences=sequences)])


def test_inputs_may_be_a_view_of_batch_first_ones():
    x, *weights = arguments()
    view = x.detach().transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    given = run(view, *weights, mask=MASKS["padded on the left"], sequences=True)
    expected = run(x, *weights, mask=MASKS["padded on the left"], sequences=True)
    assert_close([given], [expected])
    assert_close(gradients(given, [view]), gradients(expected, [x]))


def test_faded_gradients_are_zeros_and_never_subnormal():
    inputs = arguments(n_steps=400, n_rows=2, scale=0.01)
    (by_x,) = torch.autograd.grad(run(*inputs, mask=None, sequences=False).sum(), inputs[:1])
    sizes = by_x.abs()
    assert sizes[-1].min() > 0
    assert sizes[0].max() == 0
    assert not ((sizes > 0) & (sizes < torch.finfo(torch.float32).tiny)).any()
