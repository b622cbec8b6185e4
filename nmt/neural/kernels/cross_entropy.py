"""Projection to the vocabulary and label-smoothed cross-entropy in one, a few rows at a time.

The logits of a whole batch are the largest tensor of a Transformer by far (4,096 targets times
32 k pieces are half a gigabyte in float32). Here a chunk of rows is projected, turned into its loss
and, in the same visit, into its gradient, before the next chunk is begun; the chunk stays in cache.

Loss of one row, with logits z, target y, smoothing s and V pieces (Szegedy et al. 2016):
``(1 - s) * (lse - z_y) + s * (lse - mean(z))``, where ``lse = log sum exp z``.
Its gradient in z: ``softmax(z) - s/V``, less ``1 - s`` at y.

R-Drop (Liang et al. 2021) adds ``weight/2 * (KL(p||q) + KL(q||p))`` of the distributions p and q
that two dropout masks give for the same target; the two halves of the rows are then such pairs.
With logits a and b, the gradient in a of KL(p||q) is ``p * (log p - log q - KL(p||q))``, and that
of KL(q||p) is ``p - q``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from nmt.neural.kernels import gpu
from nmt.neural.kernels.counter import DeviceKeys
from nmt.tokenization.protocol import PAD_ID

CHUNK_ELEMENTS = 1 << 21
"""Logits computed at once: 8 MB in float32, within a core's share of the last-level cache."""
GPU_CHUNK_ELEMENTS = 1 << 27
"""The same on a GPU, for what its own kernel does not do: enough for a wide matrix product."""


def smoothed_cross_entropy_reference(
    hidden_ND: Tensor, weight_VD: Tensor, targets_N: Tensor, smoothing: float, r_drop: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The same in plain PyTorch, holding all logits: (loss to minimise, its unsmoothed part)."""
    mask_N = targets_N != PAD_ID
    logits_NV = (hidden_ND * mask_N[:, None]) @ weight_VD.to(hidden_ND.dtype).T
    log_p_NV = torch.log_softmax(logits_NV, -1, torch.promote_types(logits_NV.dtype, torch.float32))
    nll = -(log_p_NV.gather(1, targets_N[:, None])[:, 0] * mask_N).sum()
    loss = (1 - smoothing) * nll - smoothing * (log_p_NV.mean(dim=-1) * mask_N).sum()
    if r_drop:
        log_p, log_q = log_p_NV.chunk(2)
        symmetric = (log_p.exp() - log_q.exp()) * (log_p - log_q)
        loss = loss + r_drop / 2 * symmetric.sum()
    return loss, nll.detach()


def _loss_and_probabilities(
    logits_NV: Tensor, targets_N: Tensor, mask_N1: Tensor, smoothing: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of a chunk of logits: loss sum, nll sum, lse [N, 1], probabilities [N, V]."""
    vocabulary = logits_NV.shape[1]
    # log sum exp without a second pass of exponentials: the largest probability is exp(max - lse).
    peak_N1 = logits_NV.amax(dim=1, keepdim=True)
    p_NV = torch.softmax(logits_NV, dim=1)
    lse_N1 = peak_N1 - p_NV.amax(dim=1, keepdim=True).log()
    nll = ((lse_N1 - logits_NV.gather(1, targets_N[:, None])) * mask_N1).sum()
    loss = (1 - smoothing) * nll
    if smoothing:
        # The logits of padding are zeros, and add nothing to the sum.
        loss = loss + smoothing * ((lse_N1 * mask_N1).sum() - logits_NV.sum() / vocabulary)
    return loss, nll, lse_N1, p_NV


def _subtract_target(gradient_NV: Tensor, targets_N: Tensor, smoothing: float) -> None:
    if smoothing:
        gradient_NV.sub_(smoothing / gradient_NV.shape[1])
    index_N1 = targets_N[:, None]
    gradient_NV.scatter_add_(
        1, index_N1, gradient_NV.new_full((), smoothing - 1.0).expand_as(index_N1)
    )


def _symmetric_divergence(
    a_NV: Tensor, lse_a_N1: Tensor, p_NV: Tensor,
    b_NV: Tensor, lse_b_N1: Tensor, q_NV: Tensor, weight: float,
) -> tuple[Tensor, list[Tensor]]:  # fmt: skip
    """``weight * (KL(p||q) + KL(q||p))``; and p and q, each plus its gradient. Spends a and b."""
    log_ratio_NV = a_NV.sub_(lse_a_N1).sub_(b_NV.sub_(lse_b_N1))  # log p - log q
    difference_NV = p_NV - q_NV
    divergence = weight * torch.dot(difference_NV.view(-1), log_ratio_NV.view(-1))
    kl_pq_N1 = (p_NV * log_ratio_NV).sum(dim=1, keepdim=True)
    kl_qp_N1 = -(q_NV * log_ratio_NV).sum(dim=1, keepdim=True)
    d_a = (log_ratio_NV - kl_pq_N1).mul_(p_NV).add_(difference_NV).mul_(weight)
    d_b = log_ratio_NV.neg_().sub_(kl_qp_N1).mul_(q_NV).sub_(difference_NV).mul_(weight)
    return divergence, [d_a.add_(p_NV), d_b.add_(q_NV)]


class _FusedCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden_ND: Tensor,
        weight_VD: Tensor,
        targets_N: Tensor,
        smoothing: float,
        r_drop: float,
    ) -> tuple[Tensor, Tensor]:
        narrow = hidden_ND.dtype
        wide = torch.promote_types(narrow, torch.float32)
        # The weight's gradient sums over all targets: it is kept and given back in the wide type.
        narrow_VD = weight_VD.to(narrow)
        total = hidden_ND.new_zeros((), dtype=wide)
        total_nll = total.clone()
        mask_N1 = (targets_N != PAD_ID).to(narrow)[:, None]
        # Rows of zeros give padding no part in the weight's gradient, at no cost per logit.
        hidden_ND = hidden_ND * mask_N1
        wants_gradient = any(ctx.needs_input_grad[:2])
        d_hidden_ND = torch.empty_like(hidden_ND) if wants_gradient else None
        d_weight_VD = torch.zeros_like(weight_VD, dtype=wide) if wants_gradient else None
        views = 2 if r_drop else 1
        rows = hidden_ND.shape[0] // views
        elements = CHUNK_ELEMENTS if hidden_ND.device.type == "cpu" else GPU_CHUNK_ELEMENTS
        step = max(1, elements // weight_VD.shape[0] // views)
        for start in range(0, rows, step):
            parts = [
                slice(view * rows + start, view * rows + min(start + step, rows))
                for view in range(views)
            ]
            chunks = []
            for part in parts:
                logits_NV = (hidden_ND[part] @ narrow_VD.T).to(wide)
                loss, nll, lse_N1, p_NV = _loss_and_probabilities(
                    logits_NV, targets_N[part], mask_N1[part].to(wide), smoothing
                )
                total += loss
                total_nll += nll
                chunks.append((logits_NV, lse_N1, p_NV))
            gradients = [p_NV for _, _, p_NV in chunks]
            if r_drop:
                divergence, gradients = _symmetric_divergence(*chunks[0], *chunks[1], r_drop / 2)
                total += divergence
            if d_hidden_ND is None or d_weight_VD is None:
                continue
            for part, gradient_NV in zip(parts, gradients, strict=True):
                _subtract_target(gradient_NV, targets_N[part], smoothing)
                narrow_NV = gradient_NV.to(narrow)
                torch.mm(narrow_NV, narrow_VD, out=d_hidden_ND[part])
                if wide == narrow:
                    d_weight_VD.addmm_(narrow_NV.T, hidden_ND[part])
                else:
                    d_weight_VD += narrow_NV.T @ hidden_ND[part]
        if d_hidden_ND is not None and d_weight_VD is not None:
            ctx.save_for_backward(d_hidden_ND.mul_(mask_N1), d_weight_VD.to(weight_VD.dtype))
        ctx.mark_non_differentiable(total_nll)
        return total, total_nll

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_loss: Tensor, _: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        d_hidden_ND, d_weight_VD = ctx.saved_tensors
        return d_hidden_ND * d_loss, d_weight_VD * d_loss, None, None, None


def smoothed_cross_entropy(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    targets_N: Tensor,
    smoothing: float,
    r_drop: float = 0.0,
    keys: DeviceKeys | None = None,
) -> tuple[Tensor, Tensor]:
    """Label-smoothed cross-entropy of ``hidden @ weight.T`` against targets, summed over rows.

    Args:
        hidden_ND: hidden states at N target positions. With ``r_drop`` the second half of the rows
            are the same targets under another dropout mask.
        weight_VD: output embeddings, in the type of ``hidden`` or a wider one.
        targets_N: the pieces to predict; PAD where there is none.
        smoothing: probability mass spread evenly over the vocabulary.
        r_drop: weight of the symmetric divergence of Liang et al. (2021), equation 4; 0 is off.
        keys: of the pass; they say whether the GPU's kernel computes, which else goes by device.

    Returns:
        The loss to minimise and, for reports, its unsmoothed negative log-likelihood, both sums.
    """
    by_kernel = gpu.takes(hidden_ND) if keys is None else keys.uses("cross_entropy")
    if keys is not None and not by_kernel:
        return smoothed_cross_entropy_reference(hidden_ND, weight_VD, targets_N, smoothing, r_drop)
    if by_kernel and not r_drop:
        from nmt.neural.kernels import cross_entropy_triton

        return cross_entropy_triton.smoothed_cross_entropy(
            hidden_ND, weight_VD, targets_N, smoothing
        )
    loss: Tensor
    nll: Tensor
    loss, nll = _FusedCrossEntropy.apply(hidden_ND, weight_VD, targets_N, smoothing, r_drop)  # type: ignore[no-untyped-call]  # PyTorch gives it no type
    return loss, nll
