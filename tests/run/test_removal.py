"""Whatever a method left in its folder, the folder goes, and nothing else does."""

import os

from bench.run.isolation.removal import remove


def test_a_folder_deeper_than_recursion_and_than_a_path_goes(tmp_path, monkeypatch):
    top = tmp_path / "top"
    top.mkdir()
    monkeypatch.chdir(top)
    for _ in range(1500):
        os.mkdir("ddd")
        os.chdir("ddd")
        open("file", "w").close()
    monkeypatch.chdir(tmp_path)
    remove(top)
    assert not top.exists()


def test_links_are_not_followed_and_closed_folders_are_opened(tmp_path):
    mine, top = tmp_path / "mine", tmp_path / "top"
    (mine / "dear").mkdir(parents=True)
    (top / "shut" / "within").mkdir(parents=True)
    (top / "link").symlink_to(mine)
    (top / "shut" / "link").symlink_to(mine)
    (top / "shut").chmod(0)
    remove(top)
    assert not top.exists() and (mine / "dear").is_dir()


def test_what_is_not_there_is_no_error(tmp_path):
    remove(tmp_path / "none")
