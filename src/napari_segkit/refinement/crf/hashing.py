"""Distinct integer keys and a number for each, by a table of all possible keys or by hashing."""

from math import ceil, log2

import torch

CHUNK = 2**16  # keys written at once, so that their int64 slots stay in the cache
FACTOR = 0x1E3779B97F4A7C15


class KeyNumbers:
    """Numbers the distinct ones of `keys` (int32 or int64, none of them 0) from 0 on.

    With a `length`, keys lie between 0 and that, and a table has an entry for each possible one.
    Otherwise all keys are written to a hash table at once; those that lose a collision are written
    to another one, by another hash (`level` counts how often).

    Attributes
    ----------
    keys : tensor
        The distinct keys, by their numbers.
    """

    def __init__(self, keys: torch.Tensor, length: int | None = None, level: int = 0) -> None:
        self._direct, self._level = length is not None, level
        self._bits = max(4, ceil(log2(max(len(keys), 1))))
        table = torch.zeros(length or 2**self._bits, dtype=keys.dtype, device=keys.device)
        slots = self._slots(keys)
        for start in range(0, len(keys), CHUNK):
            part = slice(start, start + CHUNK)
            table.scatter_(0, slots[part].long(), keys[part])
        filled = table.nonzero().flatten()
        self.keys, self._rest, self._first_rest = table[filled], None, len(filled)
        if not self._direct:
            lost = keys[table.index_select(0, slots) != keys]
            if len(lost):
                self._rest = KeyNumbers(lost, level=level + 1)
                self.keys = torch.cat([self.keys, self._rest.keys])
        table.fill_(len(self.keys))
        table[filled] = torch.arange(len(filled), dtype=keys.dtype, device=keys.device)
        self._table = table

    def find(self, keys: torch.Tensor) -> torch.Tensor:
        """Number of each key; how many there are for a key that is not among them."""
        numbers = self._table.index_select(0, self._slots(keys))
        if self._direct:
            return numbers
        missing = len(self.keys)
        found = torch.cat([self.keys, keys.new_zeros(1)]).index_select(0, numbers)
        others = ((found != keys) & (numbers < missing)).nonzero().flatten()
        numbers[others] = missing
        if self._rest is not None:
            numbers[others] = self._first_rest + self._rest.find(keys[others])
        return numbers

    def _slots(self, keys: torch.Tensor) -> torch.Tensor:
        if self._direct:
            return keys
        if self._level == 0:
            return keys & (2**self._bits - 1)  # near keys in near slots
        hashed = keys.long() * (FACTOR + 2 * self._level)
        return hashed >> (64 - self._bits) & (2**self._bits - 1)
