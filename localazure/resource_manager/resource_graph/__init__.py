"""Resource Graph: the queries as they stand, run by DuckDB."""
