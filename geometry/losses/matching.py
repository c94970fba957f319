"""Losses of matches between two sets of keypoints, of n and m, and the dual softmax that makes them of scores.

P_ij = softmax_j(s_ij / tau) softmax_i(s_ij / tau)            loss = - sum over true matches and dustbins of log P
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid, pad

from visionops.arguments import check_positive, check_range
from visionops.errors import refuse
from visionops.geometry.arguments import check_batches
from visionops.geometry.implicit.steps import may_branch
from visionops.losses.reduction import (
    Reduction,
    check_floating,
    check_mask,
    check_reduction,
    check_weight,
    reduce,
)

from .views import check_mask_of, counts_of

# What a masked score is in a softmax: its exponential is 0 beside any other, and all of a row are finite.
HIDDEN = -1e30


def matching_nll(
    log_assignment: Float[Tensor, "*batch m+1 n+1"],
    target: Int[Tensor, "*batch m"] | Bool[Tensor, "*batch m n"],
    *,
    balance: float | None = 0.5,
    mask1: Bool[Tensor, "*#batch m"] | None = None,
    mask2: Bool[Tensor, "*#batch n"] | None = None,
    mask: Bool[Tensor, "*#batch"] | None = None,
    weight: Float[Tensor, "*#batch"] | None = None,
    reduction: Reduction = "mean",
) -> Float[Tensor, "*out"]:
    """Returns the negative log likelihoods of true matches, and of the dustbin for what has none.

    Args:
        log_assignment: log P, as of `sinkhorn_assignment` or `dual_softmax`. Its last row and column are dustbins; or
            it is (*batch, m, n) without them: then only matches count, and `balance` does not.
        target: for each row its column, -1 where it has none and -2 where that is not known and the row is left out; or
            a boolean matrix, True at matches. A row or column without a match belongs to the dustbin.
        balance: weight of the mean over matches, beside 1 minus it for the mean over dustbins, as in LightGlue. None:
            the mean over all of them together, SuperGlue's sum over their number.
        mask1: True for rows that count, (*batch, m): padded ones do not. What is masked, NaN too, reaches nothing.
        mask2: True for columns that count, (*batch, n).
        mask: True where samples count, broadcast to (*batch). A sample with no match and nothing in a dustbin does not.
        weight: of each sample, broadcast to (*batch).
        reduction: "none" gives (*batch), 0 where masked; "sum" its weighted sum; "mean" divides that by the sum of the
            weights that count, and is 0 where none does.

    Raises:
        ValueError: for shapes that do not go together, and a balance outside [0, 1].

    Gradient: to log P, at true cells alone, and the weight. A sample without matches, or without dustbins, has a mean
        of 0 there, so that its other part counts `balance` or 1 minus it as in any other.
    Source: Sarlin et al., SuperGlue, 2020, equation 8; Lindenberger et al., LightGlue, 2023, equation 11. LightGlue's
        code divides by at least one dustbin on each side, here by one in all.

    >>> P = torch.tensor([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.0]])
    >>> round(matching_nll(P.log(), torch.tensor([0, -1])).item(), 4)  # (log 2 + log 4) / 2
    1.0397
    """
    function = "matching_nll"
    m, n = _check_target(log_assignment, target)
    if balance is not None:
        check_range(function, "balance", balance, 0, 1)
    batch = torch.broadcast_shapes(log_assignment.shape[:-2], target.shape[: -2 if target.dtype == torch.bool else -1])
    check_mask_of(function, "mask1", mask1, (*batch, m))
    check_mask_of(function, "mask2", mask2, (*batch, n))
    check_mask(function, mask, batch)
    check_weight(function, weight, batch)
    check_reduction(function, reduction)
    dtype = log_assignment.dtype
    logs = log_assignment.expand(*batch, *log_assignment.shape[-2:])
    rows, columns = counts_of(mask1, (*batch, m), logs, mask), counts_of(mask2, (*batch, n), logs, mask)
    if target.dtype == torch.bool:
        positive, found, negative, lost = _of_matrix(logs, target, rows, columns)
    else:
        positive, found, negative, lost = _of_list(logs, target, rows, columns)
    if logs.shape[-2] == m:
        return reduce(positive / found.clamp(min=1), reduction, mask=found > 0, weight=weight, dtype=dtype)
    if balance is None:
        values = (positive + negative) / (found + lost).clamp(min=1)
    else:
        values = balance * positive / found.clamp(min=1) + (1 - balance) * negative / lost.clamp(min=1)
    return reduce(values, reduction, mask=found + lost > 0, weight=weight, dtype=dtype)


def dual_softmax(
    scores: Float[Tensor, "*batch m n"],
    *,
    temperature: float | Float[Tensor, "*#batch"] = 1.0,
    matchability1: Float[Tensor, "*batch m"] | None = None,
    matchability2: Float[Tensor, "*batch n"] | None = None,
    mask1: Bool[Tensor, "*#batch m"] | None = None,
    mask2: Bool[Tensor, "*#batch n"] | None = None,
) -> Float[Tensor, "*batch m n"] | Float[Tensor, "*batch m+1 n+1"]:
    """Returns the logarithms of confidences in matches: of the softmax over rows times the softmax over columns.

    `exp` of it is the confidence matrix, and `matching_nll` its loss.

    Args:
        scores: similarities of descriptors.
        temperature: tau, that divides them; a number, or a tensor that broadcasts to (*batch), which may be learned.
        matchability1: logits that the rows have a match at all. With both, confidences are multiplied by these
            probabilities, and a last row and column hold their complements, as in LightGlue.
        matchability2: logits that the columns have one.
        mask1: True for rows that count, (*batch, m). What is masked, NaN too, has confidence 0, of logarithm -inf, and
            reaches neither the others nor a gradient.
        mask2: True for columns that count, (*batch, n).

    Raises:
        ValueError: for shapes that do not go together, a temperature of 0, and one matchability alone.

    Gradient: to scores, temperature and logits, of every order. Half precision computes in float32.
    Source: Sun et al., LoFTR, 2021, equation 1 (temperature 0.1); Lindenberger et al., LightGlue, 2023, equations 8 and
        9.

    >>> round(dual_softmax(torch.tensor([[4.0, 0.0], [0.0, 4.0]])).exp()[0, 0].item(), 3)  # 1 / (1 + e^-4)^2
    0.964
    """
    function = "dual_softmax"
    check_floating(function, "scores", scores, "(*batch, m, n)")
    check_positive(function, "temperature", temperature)
    *batch, m, n = scores.shape
    check_mask_of(function, "mask1", mask1, (*batch, m))
    check_mask_of(function, "mask2", mask2, (*batch, n))
    if (matchability1 is None) != (matchability2 is None):
        missing = "matchability1" if matchability1 is None else "matchability2"
        raise refuse(function, missing, "given with the other one", None)
    for name, logits, count in (("matchability1", matchability1, m), ("matchability2", matchability2, n)):
        if logits is not None and tuple(logits.shape) != (*batch, count):
            raise refuse(function, name, f"of shape {(*batch, count)}", tuple(logits.shape))
    dtype = scores.dtype
    rows, columns = counts_of(mask1, (*batch, m), scores), counts_of(mask2, (*batch, n), scores)
    masked = mask1 is not None or mask2 is not None
    live = rows[..., :, None] & columns[..., None, :]
    scaled = over_temperature(torch.where(live, scores, 0) if masked else scores, temperature)
    scaled = torch.where(live, scaled, HIDDEN) if masked else scaled
    # Twice log_softmax, of which autograd would keep both.
    logs = 2 * scaled - scaled.logsumexp(-1, keepdim=True) - scaled.logsumexp(-2, keepdim=True)
    if matchability1 is not None and matchability2 is not None:
        has1, has2 = torch.where(rows, matchability1, 0), torch.where(columns, matchability2, 0)
        logs = logs + logsigmoid(has1)[..., :, None] + logsigmoid(has2)[..., None, :]
        logs = torch.cat([logs, logsigmoid(-has1)[..., :, None]], -1)
        logs = torch.cat([logs, pad(logsigmoid(-has2), (0, 1))[..., None, :]], -2)
        live = pad(rows, (0, 1), value=True)[..., :, None] & pad(columns, (0, 1), value=True)[..., None, :]
    return (torch.where(live, logs, -torch.inf) if masked else logs).to(dtype)


def over_temperature(scores: Float[Tensor, "*batch m n"], temperature: float | Tensor) -> Float[Tensor, "*batch m n"]:
    """Returns scores divided by a number, or by one for each sample."""
    return scores / (temperature.to(scores.dtype)[..., None, None] if isinstance(temperature, Tensor) else temperature)


def _check_target(logs: Tensor, target: Tensor) -> tuple[int, int]:
    """Returns m and n, without dustbins."""
    function = "matching_nll"
    check_floating(function, "log_assignment", logs, "(*batch, m + 1, n + 1)")
    whole = isinstance(target, Tensor) and not target.is_floating_point() and not target.is_complex()
    if not whole or target.ndim < (2 if target.dtype == torch.bool else 1):
        got = f"{tuple(target.shape)} of {target.dtype}" if isinstance(target, Tensor) else type(target).__name__
        raise refuse(function, "target", "of integers (*batch, m), or boolean (*batch, m, n)", got)
    rows, columns = logs.shape[-2:]
    if target.dtype == torch.bool:
        m, n = target.shape[-2:]
    else:
        m = target.shape[-1]
        n = columns - (rows - m)
    if (rows - m, columns - n) not in ((0, 0), (1, 1)):
        rule = f"of as many rows and columns as log_assignment {tuple(logs.shape)} has, or one less"
        raise refuse(function, "target", rule, tuple(target.shape))
    batch = target.shape[: -2 if target.dtype == torch.bool else -1]
    check_batches(function, "target", batch, logs.shape[:-2])
    return m, n


def _of_matrix(logs: Tensor, target: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns the sum of -log P over matches, their number, the sum over dustbins, and their number."""
    m, n = target.shape[-2:]
    matches = target & rows[..., :, None] & columns[..., None, :]
    positive, found = -torch.where(matches, logs[..., :m, :n], 0).sum((-1, -2)), matches.sum((-1, -2))
    if logs.shape[-2] == m:
        return positive, found, torch.zeros_like(positive), torch.zeros_like(found)
    alone1, alone2 = ~target.any(-1) & rows, ~target.any(-2) & columns
    negative = -torch.where(alone1, logs[..., :m, n], 0).sum(-1) - torch.where(alone2, logs[..., m, :n], 0).sum(-1)
    return positive, found, negative, alone1.sum(-1) + alone2.sum(-1)


def _of_list(logs: Tensor, target: Tensor, rows: Tensor, columns: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Returns what `_of_matrix` does: the cells that count are read, and no others."""
    (m, n), width = (rows.shape[-1], columns.shape[-1]), logs.shape[-1]
    i, j = torch.arange(m, device=logs.device), torch.arange(n, device=logs.device)
    target = target.long().expand(rows.shape)
    wild = rows & ((target < -2) | (target >= n))
    if may_branch(wild) and bool(wild.any()):
        raise refuse("matching_nll", "target", f"from -2 to {n - 1}", int(target[wild][0]), "-2 leaves a row out.")
    target = torch.where((target < 0) & (target != -1) | (target >= n), -2, target)
    # A column more, which nothing is matched to: there may be no other.
    column = torch.where(target >= 0, target, n)
    hit = torch.zeros_like(pad(columns, (0, 1))).scatter(-1, column, True)[..., :n]
    cells = [i * width + target.clamp(min=0), (i * width + n).expand(rows.shape), (m * width + j).expand(columns.shape)]
    counts = [rows & pad(columns, (0, 1)).gather(-1, column), rows & (target == -1), columns & ~hit]
    if logs.shape[-2] == m:
        cells, counts = cells[:1], counts[:1]
    flat = logs.flatten(-2) if width else pad(logs.flatten(-2), (0, 1))
    taken = torch.where(torch.cat(counts, -1), flat.gather(-1, torch.cat(cells, -1)), 0)
    lost = torch.cat(counts, -1)[..., m:].sum(-1)
    return -taken[..., :m].sum(-1), counts[0].sum(-1), -taken[..., m:].sum(-1), lost
