"""Rows of the tables: their columns, and what stands in them."""
