"""Tests of the ports to Azure."""
