"""How the app as a whole is doing: what it fails at, and whether events arrive."""
