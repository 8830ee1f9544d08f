# Reads the flattened network_data.json; prints what to do with the interface whose MAC address is `mac`:
# `address IP MASK`, `route NETWORK MASK GATEWAY`, `dns IP`. Prints nothing where DHCP or router
# advertisements do the work.
BEGIN { FS = "\t" }
$1 == "links" && $3 == "ethernet_mac_address" && tolower($4) == mac { mine[$2] = 1 }
$1 == "links" && $3 == "id" { link[$4] = $2 }
$1 == "networks" && NF == 4 { network[$2, $3] = $4; if ($2 >= networks) networks = $2 + 1 }
$1 == "networks" && $3 == "routes" { route[$2, $4, $5] = $6; if ($4 >= routes[$2]) routes[$2] = $4 + 1 }
$1 == "services" && $3 == "address" { dns[services++] = $4 }
END {
  for (n = 0; n < networks; n++) {
    if (!(link[network[n, "link"]] in mine) || network[n, "type"] !~ /^ipv[46]$/) continue
    print "address", network[n, "ip_address"], network[n, "netmask"]
    for (r = 0; r < routes[n]; r++)
      print "route", route[n, r, "network"], route[n, r, "netmask"], route[n, r, "gateway"]
    for (d = 0; d < services; d++) print "dns", dns[d]
  }
}
