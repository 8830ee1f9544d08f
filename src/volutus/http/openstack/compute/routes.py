"""Every path of the compute API, with its handler and permission."""

from volutus.http.kernel import Route
from volutus.http.openstack.compute import (
    aggregates,
    extensions,
    flavors,
    images,
    interfaces,
    key_pairs,
    operators,
    quota_sets,
    security_groups,
    server_actions,
    server_groups,
    server_parts,
    servers,
    usages,
    versions,
    volume_attachments,
)

# A body carries up to 64 KiB of user data, base64, and the rest of an order.
SERVER_BODY_MAX_BYTES = 512 << 10

SERVERS = (
    Route("GET", "/servers", servers.index, "compute:servers:index"),
    Route("POST", "/servers", servers.create, "compute:servers:create", body_max_bytes=SERVER_BODY_MAX_BYTES),
    Route("GET", "/servers/detail", servers.detail, "compute:servers:detail"),
    Route("GET", "/servers/{id}", servers.show, "compute:servers:show"),
    Route("PUT", "/servers/{id}", servers.update, "compute:servers:update"),
    Route("DELETE", "/servers/{id}", servers.delete, "compute:servers:delete"),
    Route("POST", "/servers/{id}/action", server_actions.act, "compute:servers:act"),
    Route("GET", "/servers/{id}/metadata", server_parts.metadata, "compute:servers:show"),
    Route("POST", "/servers/{id}/metadata", server_parts.create_metadata, "compute:servers:update"),
    Route("PUT", "/servers/{id}/metadata", server_parts.replace_metadata, "compute:servers:update"),
    Route("GET", "/servers/{id}/metadata/{key}", server_parts.metadata_item, "compute:servers:show"),
    Route("PUT", "/servers/{id}/metadata/{key}", server_parts.set_metadata_item, "compute:servers:update"),
    Route(
        "DELETE", "/servers/{id}/metadata/{key}", server_parts.delete_metadata_item, "compute:servers:update"
    ),
    Route("GET", "/servers/{id}/tags", server_parts.tags, "compute:servers:show"),
    Route("PUT", "/servers/{id}/tags", server_parts.replace_tags, "compute:servers:update"),
    Route("DELETE", "/servers/{id}/tags", server_parts.delete_tags, "compute:servers:update"),
    Route("GET", "/servers/{id}/tags/{tag}", server_parts.has_tag, "compute:servers:show"),
    Route("PUT", "/servers/{id}/tags/{tag}", server_parts.add_tag, "compute:servers:update"),
    Route("DELETE", "/servers/{id}/tags/{tag}", server_parts.delete_tag, "compute:servers:update"),
    Route("GET", "/servers/{id}/ips", server_parts.addresses, "compute:servers:show"),
    Route("GET", "/servers/{id}/ips/{network}", server_parts.addresses_of_network, "compute:servers:show"),
    Route("GET", "/servers/{id}/os-instance-actions", server_parts.actions, "compute:servers:show"),
    Route(
        "GET", "/servers/{id}/os-instance-actions/{request_id}", server_parts.action, "compute:servers:show"
    ),
    Route("GET", "/servers/{id}/os-security-groups", security_groups.of_server, "compute:servers:show"),
    Route("GET", "/servers/{id}/os-volume_attachments", volume_attachments.index, "compute:servers:show"),
    Route("POST", "/servers/{id}/os-volume_attachments", volume_attachments.create, "compute:servers:update"),
    Route(
        "GET",
        "/servers/{id}/os-volume_attachments/{volume_id}",
        volume_attachments.show,
        "compute:servers:show",
    ),
    Route(
        "PUT",
        "/servers/{id}/os-volume_attachments/{volume_id}",
        volume_attachments.update,
        "compute:servers:update",
    ),
    Route(
        "DELETE",
        "/servers/{id}/os-volume_attachments/{volume_id}",
        volume_attachments.delete,
        "compute:servers:update",
    ),
    Route("GET", "/servers/{id}/os-interface", interfaces.index, "compute:servers:show"),
    Route("POST", "/servers/{id}/os-interface", interfaces.create, "compute:servers:update"),
    Route("GET", "/servers/{id}/os-interface/{port_id}", interfaces.show, "compute:servers:show"),
    Route("DELETE", "/servers/{id}/os-interface/{port_id}", interfaces.delete, "compute:servers:update"),
)

PRESETS = (
    Route("GET", "/flavors", flavors.index, "compute:flavors:index"),
    Route("POST", "/flavors", flavors.create, "compute:flavors:manage"),
    Route("GET", "/flavors/detail", flavors.detail, "compute:flavors:index"),
    Route("GET", "/flavors/{id}", flavors.show, "compute:flavors:index"),
    Route("PUT", "/flavors/{id}", flavors.update, "compute:flavors:manage"),
    Route("DELETE", "/flavors/{id}", flavors.delete, "compute:flavors:manage"),
    Route("POST", "/flavors/{id}/action", flavors.act, "compute:flavors:manage"),
    Route("GET", "/flavors/{id}/os-flavor-access", flavors.access, "compute:flavors:access"),
    Route("GET", "/flavors/{id}/os-extra_specs", flavors.extra_specs, "compute:flavors:index"),
    Route("POST", "/flavors/{id}/os-extra_specs", flavors.create_extra_specs, "compute:flavors:manage"),
    Route("GET", "/flavors/{id}/os-extra_specs/{key}", flavors.extra_spec, "compute:flavors:index"),
    Route("PUT", "/flavors/{id}/os-extra_specs/{key}", flavors.set_extra_spec, "compute:flavors:manage"),
    Route(
        "DELETE", "/flavors/{id}/os-extra_specs/{key}", flavors.delete_extra_spec, "compute:flavors:manage"
    ),
    Route("GET", "/os-keypairs", key_pairs.index, "compute:key_pairs"),
    Route("POST", "/os-keypairs", key_pairs.create, "compute:key_pairs"),
    Route("GET", "/os-keypairs/{name}", key_pairs.show, "compute:key_pairs"),
    Route("DELETE", "/os-keypairs/{name}", key_pairs.delete, "compute:key_pairs"),
    Route("GET", "/os-server-groups", server_groups.index, "compute:server_groups:show"),
    Route("POST", "/os-server-groups", server_groups.create, "compute:server_groups:manage"),
    Route("GET", "/os-server-groups/{id}", server_groups.show, "compute:server_groups:show"),
    Route("DELETE", "/os-server-groups/{id}", server_groups.delete, "compute:server_groups:manage"),
)

PROJECTS = (
    Route("GET", "/images", images.index, "compute:images:show"),
    Route("GET", "/images/detail", images.detail, "compute:images:show"),
    Route("GET", "/images/{id}", images.show, "compute:images:show"),
    Route("DELETE", "/images/{id}", images.delete, "compute:images:change"),
    Route("GET", "/images/{id}/metadata", images.metadata, "compute:images:show"),
    Route("POST", "/images/{id}/metadata", images.create_metadata, "compute:images:change"),
    Route("PUT", "/images/{id}/metadata", images.replace_metadata, "compute:images:change"),
    Route("GET", "/images/{id}/metadata/{key}", images.metadata_item, "compute:images:show"),
    Route("PUT", "/images/{id}/metadata/{key}", images.set_metadata_item, "compute:images:change"),
    Route("DELETE", "/images/{id}/metadata/{key}", images.delete_metadata_item, "compute:images:change"),
    Route("GET", "/limits", quota_sets.limits, "compute:limits"),
    Route("GET", "/os-quota-sets/{project_id}", quota_sets.show, "compute:quota_sets:show"),
    Route("PUT", "/os-quota-sets/{project_id}", quota_sets.update, "compute:quota_sets:update"),
    Route("DELETE", "/os-quota-sets/{project_id}", quota_sets.delete, "compute:quota_sets:update"),
    Route("GET", "/os-quota-sets/{project_id}/defaults", quota_sets.defaults, "compute:quota_sets:defaults"),
    Route("GET", "/os-quota-sets/{project_id}/detail", quota_sets.detail, "compute:quota_sets:show"),
    Route("GET", "/os-quota-class-sets/{class_name}", quota_sets.class_show, "compute:quota_sets:class"),
    Route("GET", "/os-simple-tenant-usage", usages.index, "compute:usages:index"),
    Route("GET", "/os-simple-tenant-usage/{project_id}", usages.show, "compute:usages:show"),
    Route("GET", "/os-availability-zone", operators.zones, "compute:zones:index"),
    Route("GET", "/os-availability-zone/detail", operators.zones_detail, "compute:zones:detail"),
    Route("GET", "/extensions", extensions.index, "compute:extensions"),
    Route("GET", "/extensions/{alias}", extensions.show, "compute:extensions"),
    Route("GET", "/os-security-groups", security_groups.index, "compute:security_groups:show"),
    Route("POST", "/os-security-groups", security_groups.create, "compute:security_groups:manage"),
    Route("GET", "/os-security-groups/{id}", security_groups.show, "compute:security_groups:show"),
    Route("PUT", "/os-security-groups/{id}", security_groups.update, "compute:security_groups:manage"),
    Route("DELETE", "/os-security-groups/{id}", security_groups.delete, "compute:security_groups:manage"),
    Route("POST", "/os-security-group-rules", security_groups.create_rule, "compute:security_groups:manage"),
    Route(
        "DELETE",
        "/os-security-group-rules/{id}",
        security_groups.delete_rule,
        "compute:security_groups:manage",
    ),
)

OPERATORS = (
    Route("GET", "/os-hypervisors", operators.hypervisors, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/detail", operators.hypervisors_detail, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/statistics", operators.hypervisor_statistics, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/{id}", operators.hypervisor, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/{id}/uptime", operators.hypervisor_uptime, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/{id}/search", operators.hypervisor_search, "compute:hypervisors"),
    Route("GET", "/os-hypervisors/{id}/servers", operators.hypervisor_servers, "compute:hypervisors"),
    Route("GET", "/os-services", operators.services, "compute:services:show"),
    Route("PUT", "/os-services/{id}", operators.service_update, "compute:services:manage"),
    Route("DELETE", "/os-services/{id}", operators.service_delete, "compute:services:manage"),
    Route("GET", "/os-aggregates", aggregates.index, "compute:aggregates:show"),
    Route("POST", "/os-aggregates", aggregates.create, "compute:aggregates:manage"),
    Route("GET", "/os-aggregates/{id}", aggregates.show, "compute:aggregates:show"),
    Route("PUT", "/os-aggregates/{id}", aggregates.update, "compute:aggregates:manage"),
    Route("DELETE", "/os-aggregates/{id}", aggregates.delete, "compute:aggregates:manage"),
    Route("POST", "/os-aggregates/{id}/action", aggregates.act, "compute:aggregates:manage"),
)

VERSIONS = (
    Route("GET", "", versions.root, open=True),
    Route("GET", "/v2", versions.v2, open=True),
    Route("GET", "/v2.1", versions.v2_1, open=True),
)
