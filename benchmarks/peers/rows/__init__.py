"""One file for each kind of rows: cases, and sides that workers run, with NumPy only at the top."""
