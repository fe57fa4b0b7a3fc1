"""How ``act.py`` carries decisions out: rows are saved with their follow-ups, requests sent, their answers noted."""
