"""The record of a job, and what claims and their ends make of it."""
