"""LSTM loop over time for torch: the fused kernels of `torch.nn.LSTM`, with support for masks.

`torch.nn.LSTM` calls oneDNN on a CPU and cuDNN on a GPU, but does not support masks. Packed
sequences, its alternative to masks, are more than ten times slower on a CPU. Here the unmasked
steps of each row are moved to the front, the loop runs over all rows without a mask, and the state
at each step is looked up afterwards.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Vanishing gradients become subnormal numbers in backpropagation through time, and on a CPU,
# arithmetic with subnormal numbers is ten times slower. The loop is therefore split into calls of
# this many steps, and tiny gradients are set to zero between the calls.
_STEPS_A_CALL = 32
# Gradients with a smaller absolute value are set to zero. The value is too small to affect the sum
# over a batch, and large enough that gradients do not become subnormal within a call.
_FADED = 1e-20


def lstm(
    x: Tensor, mask: Tensor | None, weights: tuple[Tensor, Tensor, Tensor], sequences: bool
) -> Tensor:
    """Return the hidden state of a batch of sequences, from a state of zeros.

    Parameters
    ----------
    x : Tensor of shape (n_steps, n_rows, n_inputs)
        Inputs.
    mask : Tensor of bool of shape (n_steps, n_rows), or None
        False at steps that leave the state unchanged. None if there are no such steps.
    weights : tuple of Tensor
        Kernel, recurrent kernel and bias, of shapes (n_inputs, 4 * units), (units, 4 * units) and
        (4 * units,), with the gates in the order input, forget, cell, output.
    sequences : bool
        Whether to return the state after each step, or after the last one.

    Returns
    -------
    h : Tensor of shape (n_steps, n_rows, units) or (n_rows, units)
        Zeros before the first unmasked step of a row.
    """
    if mask is None:
        parts = _run(x, *weights)
        return torch.cat(parts) if sequences else parts[-1][-1]
    n_taken = mask.cumsum(dim=0)
    # At least one step, so that the gradients are zero if there are no tokens in the batch.
    longest = max(1, int(n_taken[-1].max()))
    first_steps = torch.arange(1, longest + 1, device=x.device)[:, None]
    if not torch.equal(mask[:longest], first_steps <= n_taken[-1]):
        order = torch.argsort(mask.byte(), dim=0, descending=True, stable=True)
        x = _at_steps(x, order[:longest])
    h_taken = torch.cat(_run(x[:longest], *weights))
    n_taken = n_taken if sequences else n_taken[-1]
    h = _at_steps(h_taken, n_taken.clamp(min=1) - 1)
    return torch.where(n_taken[..., None] > 0, h, 0.0)


def _at_steps(values: Tensor, steps: Tensor) -> Tensor:
    """Return `values` (n_steps, n_rows, n) of each row at `steps` (..., n_rows)."""
    n_rows, n = values.shape[1:]
    flat = steps * n_rows + torch.arange(n_rows, device=steps.device)
    # The backward pass of `torch.gather` or of advanced indexing is many times slower.
    return values.reshape(-1, n).index_select(0, flat.reshape(-1)).view(*steps.shape, n)


def _run(x: Tensor, kernel: Tensor, recurrent_kernel: Tensor, bias: Tensor) -> list[Tensor]:
    """Return the hidden states after all steps, split by calls."""
    # Contiguous in this order, as required by cuDNN, which otherwise warns.
    weights = [kernel.T, recurrent_kernel.T, bias, torch.zeros_like(bias)]
    flat = torch.cat([w.reshape(-1) for w in weights]).split([w.numel() for w in weights])
    weights = [segment.view(w.shape) for segment, w in zip(flat, weights, strict=True)]

    has_gradient = torch.is_grad_enabled()
    is_split = has_gradient and x.device.type == "cpu"
    h = c = x.new_zeros(1, x.shape[1], len(recurrent_kernel))
    parts: list[Tensor] = []
    for steps in x.split(_STEPS_A_CALL) if is_split else [x]:
        for state in (h, c):
            if state.requires_grad:
                state.register_hook(_without_faded)
        flags = True, 1, 0.0, has_gradient, False, False
        part, h, c = torch._VF.lstm(steps, (h, c), weights, *flags)
        parts.append(part)
    return parts


def _without_faded(gradient: Tensor) -> Tensor:
    return torch.nn.functional.hardshrink(gradient, _FADED)
