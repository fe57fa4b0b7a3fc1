"""What is published about recoveries: which notices are due, and what the events say."""
