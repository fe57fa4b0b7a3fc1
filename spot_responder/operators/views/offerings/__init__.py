"""What operators are told about prices and sizes. Pure; ``operators/prices.py`` and ``sizes.py`` gather it."""
