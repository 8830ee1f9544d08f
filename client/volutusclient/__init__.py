"""The client of Volutus' billing service, and its commands for the OpenStack client."""
