"""Each belief turned: the laptop Azure does otherwise, and the trial must see it."""
