"""A laptop Azure in which resources can be created, without the app: what ``make trial`` runs against."""
