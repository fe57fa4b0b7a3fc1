"""The status page as HTML. Pure."""
