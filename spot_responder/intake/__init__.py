"""Azure's events and the app's own messages, read into signals, VM facts and failures. Pure: ``responder`` calls it."""
