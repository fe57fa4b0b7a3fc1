"""A VM in virtual time around the real agent: days pass in milliseconds. For tests and the soak; never shipped."""
