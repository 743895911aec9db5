"""What runs when: a pure machine, and the threads that drive it."""
