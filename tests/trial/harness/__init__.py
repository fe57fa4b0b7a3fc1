"""What tests of the trial stand on."""
