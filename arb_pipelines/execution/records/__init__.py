"""What a session leaves behind: journal, log, heartbeat, and records on their way to the lake."""
