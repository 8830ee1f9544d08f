"""`DIR/clouds.yaml`: how every OpenStack client finds this cloud and who one is there."""

import json

from volutus.errors import Invalid
from volutus.settings import Settings
from volutus.setup import keys
from volutus.setup.files import write_secret

FILE_NAME = "clouds.yaml"
ADMINISTRATOR = "volutus-admin"
# Cloud to its user and project.
_CLOUDS = {"volutus": ("demo", "demo"), ADMINISTRATOR: ("admin", "admin")}


def user_of(cloud: str) -> tuple[str, str]:
    """User and project of one of the clouds in the file. Raises Invalid."""
    if cloud not in _CLOUDS:
        raise Invalid(f"There is no cloud {cloud!r}, only {', '.join(_CLOUDS)}.", field="OS_CLOUD")
    return _CLOUDS[cloud]


def write(settings: Settings) -> None:
    """Write the file with the passwords made at set-up, unless someone has put their own there."""
    path = settings.state_dir / FILE_NAME
    text = "# Written by `volutus up` while its first line stands; readable by its owner alone.\nclouds:\n"
    for cloud, (user, project) in _CLOUDS.items():
        text += _cloud(settings, cloud, user, project)
    if path.exists() and not path.read_text().startswith(text.splitlines()[0]):
        return
    write_secret(path, text.encode())


def _cloud(settings: Settings, name: str, user: str, project: str) -> str:
    # Quoted as JSON, which YAML reads: a password may hold any character.
    quoted = json.dumps
    return f"""  {name}:
    auth:
      auth_url: {quoted(settings.url + "/identity/v3")}
      username: {user}
      password: {quoted(keys.password(settings, user))}
      project_name: {project}
      user_domain_name: Default
      project_domain_name: Default
    region_name: {quoted(settings.region)}
    identity_api_version: "3"
    interface: public
"""
