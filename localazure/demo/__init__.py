"""What ``python -m localazure`` does: the demo, ``make run`` and its moves, the docs' examples."""
