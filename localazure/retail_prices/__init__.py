"""Azure's public price list, over the prices of the world."""
