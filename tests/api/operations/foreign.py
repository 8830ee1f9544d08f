"""No path of this service names an object: it lists what there is, for operators alone."""

from tests.api.foreign import Foreign

FOREIGN = Foreign(objects={}, statuses=frozenset({403}))
