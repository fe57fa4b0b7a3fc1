"""The worker's decisions. Pure: no clock, no chance, no input or output."""
