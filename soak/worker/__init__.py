"""Random schedules of evictions, crashes and broken storage around the worker, in virtual time, judged from outside."""
