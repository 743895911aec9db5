"""Client of the OCI distribution spec."""
