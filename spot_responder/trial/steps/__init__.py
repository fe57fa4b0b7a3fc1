"""The steps of a trial: each asks Azure for something and notes what it sees. Judging is for ``views``."""
