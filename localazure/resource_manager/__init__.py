"""Azure Resource Manager over HTTPS: who may ask, what is there, what is limited."""
