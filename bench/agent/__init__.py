"""The agent inside the VM beside two plain ones: in virtual time, and its own cost in real time."""
