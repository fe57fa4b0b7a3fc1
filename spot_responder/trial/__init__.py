"""The trial: finds out in a subscription of Azure which of the beliefs of docs/azure-assumptions.md are true.

``steps`` collect what is seen, ``views`` judge it and are pure. ``commands/trials/trial.py`` runs it.
"""
