"""What touches Azure, processes, files and clocks."""
