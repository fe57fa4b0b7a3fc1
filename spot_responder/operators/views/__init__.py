"""What is shown to a person, made from what was gathered. Pure.

``operators`` makes the views; ``commands`` and ``web`` write them as text, JSON and HTML.
"""
