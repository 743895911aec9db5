"""Values of the OCI image spec: descriptors, manifests, configs, references, platforms."""
