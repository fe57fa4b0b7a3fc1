"""Tests of the responder with work queues."""
