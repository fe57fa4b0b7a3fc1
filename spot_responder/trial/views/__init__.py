"""What was seen in a trial, what it says of each belief, and how it is told. Pure."""
