"""OVN, the one network engine: views of the network are compiled to northbound rows and kept that way."""
