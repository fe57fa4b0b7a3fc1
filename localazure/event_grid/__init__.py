"""Event Grid: system topics, filters, delivery, dead letters, the custom topic. Put together by ``laptop.py``."""
