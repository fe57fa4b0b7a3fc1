"""The commands of ``python -m localazure``: the demo, ``make run`` with its moves, the examples of the docs."""
