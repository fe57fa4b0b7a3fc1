"""Virtual machines as Azure Resource Manager writes and reads them."""
