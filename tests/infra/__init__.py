"""Tests of the deployment: the Bicep files, what they deploy, and whether the app finds all that it needs there."""
