"""What README and docs say of the code and of measurements, made from both."""
