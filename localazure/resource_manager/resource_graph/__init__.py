"""Resource Graph: the queries of ``queries/`` as they are, run by DuckDB."""
