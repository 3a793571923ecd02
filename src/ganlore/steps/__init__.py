"""What a step of training sees, and what losses and tricks compute with."""
