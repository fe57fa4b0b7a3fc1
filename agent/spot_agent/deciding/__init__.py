"""What to do: values in, actions out. No input or output, no clock, no chance, no threads."""
