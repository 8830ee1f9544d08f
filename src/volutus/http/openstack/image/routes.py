"""The Image API's paths."""

from volutus.http.kernel import Dialect, Route
from volutus.http.openstack.image import (
    cache,
    data,
    definitions,
    discovery,
    images,
    imports,
    members,
    namespaces,
    tags,
)
from volutus.http.openstack.image.faults import TABLE

_IMAGE = "/v2/images/{image_id}"
_MEMBER = "/v2/images/{image_id}/members/{member_id}"
_NAMESPACES = "/v2/metadefs/namespaces"
_NAMESPACE = "/v2/metadefs/namespaces/{namespace}"

ROUTES = (
    Route("GET", "", discovery.versions, open=True),
    Route("GET", "/versions", discovery.versions, open=True),
    Route("GET", "/v2", discovery.versions, open=True),
    Route("GET", "/v2/schemas/{name}", discovery.schema, "image:read"),
    Route("GET", "/v2/schemas/metadefs/{name}", discovery.definition_schema, "image:read"),
    Route("GET", "/v2/info/import", discovery.import_info, "image:read"),
    Route("GET", "/v2/info/stores", discovery.stores_info, "image:read"),
    Route("GET", "/v2/info/stores/detail", discovery.stores_detail, "image:operate"),
    Route("GET", "/v2/info/usage", discovery.usage, "image:read"),
    Route("GET", "/v2/cache", cache.show, "image:cache"),
    Route("DELETE", "/v2/cache", cache.clear, "image:cache"),
    Route("PUT", "/v2/cache/{image_id}", cache.queue, "image:cache"),
    Route("DELETE", "/v2/cache/{image_id}", cache.drop, "image:cache"),
    Route("DELETE", "/v2/stores/{store}/{image_id}", discovery.delete_from_store, "image:delete"),
    Route("POST", "/v2/tasks", imports.create_task, "image:operate"),
    Route("GET", "/v2/tasks", imports.listed, "image:read"),
    Route("GET", "/v2/tasks/{task_id}", imports.show, "image:read"),
    Route("POST", "/v2/images", images.create, "image:create"),
    Route("GET", "/v2/images", images.listed, "image:read"),
    Route("DELETE", "/v2/images", images.delete_nothing, "image:delete"),
    Route("GET", _IMAGE, images.show, "image:read"),
    Route("GET", f"{_IMAGE}/tasks", imports.of_image, "image:read"),
    Route("PATCH", _IMAGE, images.change, "image:change"),
    Route("DELETE", _IMAGE, images.delete, "image:delete"),
    Route("PUT", f"{_IMAGE}/file", data.upload, "image:upload", streams=True),
    Route("GET", f"{_IMAGE}/file", data.download, "image:download", streams=True),
    Route("GET", f"{_IMAGE}/raw", data.download_raw, "image:download", streams=True),
    Route("PUT", f"{_IMAGE}/stage", data.stage, "image:upload", streams=True),
    Route("POST", f"{_IMAGE}/import", imports.start, "image:upload"),
    Route("POST", f"{_IMAGE}/actions/deactivate", images.deactivate, "image:deactivate"),
    Route("POST", f"{_IMAGE}/actions/reactivate", images.reactivate, "image:deactivate"),
    Route("PUT", f"{_IMAGE}/tags/{{tag}}", tags.add, "image:change"),
    Route("DELETE", f"{_IMAGE}/tags/{{tag}}", tags.remove, "image:change"),
    Route("POST", f"{_IMAGE}/members", members.add, "image:share"),
    Route("GET", f"{_IMAGE}/members", members.listed, "image:read"),
    Route("GET", _MEMBER, members.show, "image:read"),
    Route("PUT", _MEMBER, members.decide, "image:decide"),
    Route("DELETE", _MEMBER, members.remove, "image:share"),
    Route("POST", _NAMESPACES, namespaces.create, "image:define"),
    Route("GET", _NAMESPACES, namespaces.listed, "image:read"),
    Route("GET", _NAMESPACE, namespaces.show, "image:read"),
    Route("PUT", _NAMESPACE, namespaces.change, "image:define"),
    Route("DELETE", _NAMESPACE, namespaces.remove, "image:define"),
    Route("GET", "/v2/metadefs/resource_types", namespaces.types, "image:read"),
    Route("POST", f"{_NAMESPACE}/resource_types", namespaces.associate, "image:define"),
    Route("GET", f"{_NAMESPACE}/resource_types", namespaces.associations, "image:read"),
    Route(
        "DELETE",
        f"{_NAMESPACE}/resource_types/{{resource_type}}",
        namespaces.dissociate,
        "image:define",
    ),
    *definitions.routes(),
)


def dialect() -> Dialect:
    """The Image API below `/image`. Needs `plane.parts["images"]`, the `ImageStore`."""
    return Dialect("image", ("/image",), ROUTES, TABLE)
