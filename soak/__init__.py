"""Random schedules of everything that can go wrong, and the promises that must hold all the same."""
