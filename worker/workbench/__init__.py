"""What the tests of the worker are made with: values, and real workers on a storage of their own."""
