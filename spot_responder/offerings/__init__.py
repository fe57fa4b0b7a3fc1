"""What Azure offers: the price of a size. Pure: ``commands`` calls it, with the time as an argument."""
