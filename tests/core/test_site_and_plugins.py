import json
import os

import pytest

from nuke_reage.core.errors import UsageError
from nuke_reage.core.plugins import BUILT_IN, load_plugin, plugin_names
from nuke_reage.core.site import load_site


def test_environment_overrides_the_site_file(tmp_path):
    file = tmp_path / "site.json"
    file.write_text(json.dumps({"python": "/opt/py", "models": ["/srv/models"]}))
    env = {"REAGE_SITE": str(file), "REAGE_MODELS": os.pathsep.join(["/a", "/b"]), "REAGE_DEVICE": "cpu"}
    site = load_site(env)
    assert site.python == "/opt/py"
    assert site.models == ("/a", "/b", "/srv/models")
    assert site.device == "cpu"


def test_the_users_own_site_file_is_found(tmp_path):
    folder = tmp_path / "reage"
    folder.mkdir()
    (folder / "reage_site.json").write_text('{"device": "mps"}')
    assert load_site({"XDG_CONFIG_HOME": str(tmp_path), "APPDATA": str(tmp_path)}).device == "mps"


def test_a_site_file_that_is_named_but_missing_or_wrong_is_an_error(tmp_path):
    with pytest.raises(UsageError, match="not there"):
        load_site({"REAGE_SITE": str(tmp_path / "none.json")})
    (tmp_path / "site.json").write_text('{"pyhton": "x"}')
    with pytest.raises(UsageError) as caught:
        load_site({"REAGE_SITE": str(tmp_path / "site.json")})
    assert "python" in caught.value.hint


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in BUILT_IN.items() for name in table])
def test_every_built_in_plugin_can_be_loaded(kind, name):
    assert callable(load_plugin(kind, name))


def test_an_unknown_plugin_is_refused_and_the_right_name_suggested():
    assert plugin_names("face_backend")[0] == "mediapipe"
    with pytest.raises(UsageError) as caught:
        load_plugin("face_backend", "media-pipe")
    assert "mediapipe" in caught.value.hint
