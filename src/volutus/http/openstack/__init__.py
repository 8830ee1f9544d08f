"""OpenStack's APIs, one package a service, each a translation onto the domains' verbs."""
