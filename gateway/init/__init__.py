"""`anju init`: the secrets, certificates and configuration files that a deployment needs, made once and kept."""
