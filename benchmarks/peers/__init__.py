"""SegKit beside what a user would pick instead: see CONTRIBUTING.md.

python -m benchmarks.peers [--data FOLDER] [ROWS ...]
"""
