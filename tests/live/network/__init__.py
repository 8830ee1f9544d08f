"""What tenants notice of the network, with packets: a whole cloud, and namespaces as guests."""
