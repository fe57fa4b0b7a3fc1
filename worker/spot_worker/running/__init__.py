"""The worker at work, behind ports: the soak runs it in virtual time, the edges on Azure."""
