"""MongoDB as many servers: its state, and how a replica set or a sharded cluster is made."""
