"""What an agent can learn from: outputs that failed people, and topics it does not know."""
