"""Unique keys by hashing: the result of `torch.unique`, faster."""

from math import ceil, log2

import torch

MAX_BITS = 24  # of the hash table's size; a larger one is no faster
FACTORS = (0x1E3779B97F4A7C15, 0x2545F4914F6CDD1D, 0x369DEA0F31A53F85)


def unique(keys: torch.Tensor, level: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Sorted unique values of int64 `keys`, none of them 0, and the index of each key among them.

    All keys are written to a hash table at once; those that lose a collision are hashed again with
    another factor (`level` counts how often).
    """
    bits = min(MAX_BITS, max(4, ceil(log2(max(len(keys), 2)))))
    factor = FACTORS[level % len(FACTORS)] + 2 * level
    slots = (keys * factor >> (64 - bits)) & (2**bits - 1)
    table = torch.zeros(2**bits, dtype=torch.int64, device=keys.device)
    table[slots] = keys
    filled = table.nonzero().flatten()
    collided = (table[slots] != keys).nonzero().flatten()
    values, rest_index = table[filled], keys[:0]
    if len(collided):
        rest, rest_index = unique(keys[collided], level + 1)
        values = torch.cat([values, rest])
    values, order = values.sort()
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device)
    table[filled] = rank[: len(filled)]
    index = table[slots]
    index[collided] = rank[len(filled) :][rest_index]
    return values, index
