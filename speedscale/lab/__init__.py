"""The lab: paired replays of a query log, cold against hot, and a switchboard for failures."""
