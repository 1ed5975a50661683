"""One read along its whole way: L1, Redis, a load of one's own or of somebody else."""
