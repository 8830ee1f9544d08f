"""What the cloud's settings say of its one host reaches that host's agent."""

import tomllib

from volutus.agent.config import load
from volutus.settings import Settings
from volutus.setup import local_agent


def test_settings_of_the_host_are_the_agents(tmp_path):
    settings = Settings(state_dir=tmp_path, pools="bulk, fast", backup_dir="/srv/backups", mhz_per_core=2500)
    (tmp_path / "agent").mkdir()
    local_agent.configure(settings)
    config = load(tmp_path / "agent" / "agent.toml")
    assert config.pool_names == ("bulk", "fast")
    assert (str(config.backup_dir), config.mhz_per_core) == ("/srv/backups", 2500)
    (tmp_path / "agent" / "agent.toml").unlink()
    local_agent.configure(Settings(state_dir=tmp_path))
    told = tomllib.loads((tmp_path / "agent" / "agent.toml").read_text())
    assert (told["pools"], told["backup_dir"], told["mhz_per_core"]) == ("bulk", "backups", 0)
