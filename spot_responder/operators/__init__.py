"""What an operator asks the app, and does about a VM. Called by ``commands`` and ``web``.

``gather.py`` and ``doctor.py`` read, ``act.py`` writes, ``views`` turns what was read into what is shown.
"""
