#!/bin/bash
# The cloud that outside conformance suites are run against: in a network namespace of its own, with the
# settings, images, flavors and the web server that their tests ask for.
#
# usage: tests/conformance/cloud.sh up DIRECTORY        make it (about a minute); needs root and set-up caches
#        tests/conformance/cloud.sh run DIRECTORY CMD…  run a suite inside, with its credentials and features
#        tests/conformance/cloud.sh down DIRECTORY      remove all of it
# In DIRECTORY are then: state (the cloud), clouds.yaml, features.ini, images.
set -euo pipefail
project=$(cd "$(dirname "$0")/../.." && pwd)
verb=${1:?up, run or down} directory=$(realpath -m "${2:?directory}")
shift 2
space=conform-$(printf %s "$directory" | cksum | cut -d' ' -f1)
state=$directory/state
# Outside of all private ranges, which an image is not downloaded from; nothing but these two has them.
own_address=11.7.0.1 web_address=11.7.0.2

inside() { nsenter --net="/run/netns/$space" "$@"; }
as_admin() { OS_CLIENT_CONFIG_FILE=$directory/clouds.yaml OS_CLOUD=volutus-admin inside "$@"; }
openstack() { as_admin "$project/.cache/client/bin/openstack" "$@"; }

spaces_up() {
    ip netns add "$space"
    ip netns add "$space-web"
    ip link add web netns "$space" type veth peer name web netns "$space-web"
    inside sh -c "ip link set lo up && ip addr add $own_address/24 dev web && ip link set web up"
    nsenter --net="/run/netns/$space-web" sh -c \
        "ip link set lo up && ip addr add $web_address/24 dev web && ip link set web up"
}

web_up() {
    "$project/.venv/bin/python" "$project/tests/conformance/make_images.py" "$directory/images"
    nsenter --net="/run/netns/$space-web" "$project/.venv/bin/python" -m http.server 80 \
        --bind "$web_address" --directory "$directory/images" >"$directory/web.log" 2>&1 &
    echo $! >"$directory/web.pid"
}

cloud_up() {
    mkdir -p "$state"
    cat >"$state/volutus.toml" <<TOML
lockout_failures = 2
lockout_s = 5
password_history = 2
mhz_overcommit = 16.0
memory_overcommit = 4.0
image_download_hosts = "$web_address"
TOML
    inside "$project/volutus" up --detach --state-dir "$state"
}

# The same people under the names by which the suites look for them.
credentials() {
    "$project/.cache/client/bin/python" - "$state/clouds.yaml" "$directory/clouds.yaml" <<'PYTHON'
import copy, os, sys
import yaml

clouds = yaml.safe_load(open(sys.argv[1]))["clouds"]
system = copy.deepcopy(clouds["volutus-admin"])
for name in ("project_name", "project_id", "project_domain_name", "project_domain_id"):
    system["auth"].pop(name, None)
system["auth"]["system_scope"] = "all"
more = {"devstack": "volutus", "devstack-admin": "volutus-admin"}
clouds |= {name: clouds[of] for name, of in more.items()} | {"devstack-system-admin": system}
with os.fdopen(os.open(sys.argv[2], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
    yaml.safe_dump({"clouds": clouds}, file)
PYTHON
}

# What the suites expect to find beside what a new cloud has.
furnish() {
    openstack volume type create --property "multiattach=<is> True" multiattach >/dev/null
    # What the client's own tests take the default type to be called.
    openstack volume type set --name lvmdriver-1 standard
    openstack flavor create --ram 256 --disk 1 --vcpus 1 m1.tiny >/dev/null
    openstack image save --file "$directory/micro.qcow2" micro
    openstack image create --public --disk-format qcow2 --container-format bare \
        --file "$directory/micro.qcow2" cirros-volutus-disk >/dev/null
}

features() {
    local other
    other=$(openstack image show -f value -c id cirros-volutus-disk)
    # A second image, so that rebuilding and filters by image are tried with two.
    {
        sed "/^\[compute\]$/a image_ref_alt = $other" "$project/tests/conformance/features.ini"
        cat <<INI
[image]
images_manifest_file = $directory/images/manifest.yaml
http_qcow2_image = http://$web_address/qcow2-v3.img
image_caching_enabled = true
INI
    } >"$directory/features.ini"
}

# Read as a whole before it runs, so that an edit during a long suite does no harm.
main() {
    case $verb in
    up)
        mkdir -p "$directory"
        spaces_up
        web_up
        cloud_up
        credentials
        furnish
        features
        ;;
    run)
        sed -i "s/^unified_limits = .*/unified_limits = ${TEMPEST_UNIFIED_LIMITS:-true}/" "$directory/features.ini"
        export FEATURES=$directory/features.ini TEMPEST_IMAGE=${TEMPEST_IMAGE:-micro} TEMPEST_IMG_FILE=$directory/micro.qcow2
        export TEMPEST_FLAVOR=${TEMPEST_FLAVOR:-c1} TEMPEST_FLAVOR_ALT=${TEMPEST_FLAVOR_ALT:-c2} TEMPEST_SSH_USER=volutus
        as_admin "$@"
        ;;
    down)
        inside "$project/volutus" destroy --yes --state-dir "$state" || true
        kill "$(cat "$directory/web.pid")" || true
        ip netns del "$space-web"
        ip netns del "$space"
        rm -r "$directory"
        ;;
    *)
        sed -n '2,/^set/s/^# \?//p' "$0"
        exit 2
        ;;
    esac
}
main "$@"; exit
