"""What a process keeps for itself: L1 and which keys are read most."""
