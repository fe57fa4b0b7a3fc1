"""Rules of ``decide.py`` that are a subject of their own."""
