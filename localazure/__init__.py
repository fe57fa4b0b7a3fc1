"""Azure on a laptop, for rehearsal, tests and benchmarks. Never deployed.

``laptop.py`` puts its parts together; ``virtual`` does the same in virtual time.
"""
