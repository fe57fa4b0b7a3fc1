"""The soak of the responder: in virtual time, by killing the real app, and by giving it rubbish."""
