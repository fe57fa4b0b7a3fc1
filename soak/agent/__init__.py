"""Random schedules of documents, faults and deaths around the agent, in virtual time, judged from outside."""
