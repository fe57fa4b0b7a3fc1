"""The promises of work queues under failures, in virtual time: the whole app, and workers that stop their own VMs."""
