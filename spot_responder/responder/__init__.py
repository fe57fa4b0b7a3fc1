"""From a signal to what is done about it: gather, decide, act."""
