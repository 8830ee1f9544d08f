"""Commands of the OpenStack client, a module per noun."""
