"""Several models or predictions compared with one truth: one table, one page, the same views."""
