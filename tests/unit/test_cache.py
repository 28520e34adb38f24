"""The store on disk survives what happens to files: damage, kills, full disks, other processes."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from specdiff.cache import KEEP_FILES, Cache, analyser_version, cache_folder, ir_version, key_of

VALUE = b"value " * 200


def stored(folder: Path, key: bytes = b"k", value: bytes = VALUE) -> Path:
    cache = Cache(folder, "ir", "v")
    cache.put(key, value)
    cache.close()
    return folder / "ir-v.sqlite"


def read(folder: Path, key: bytes = b"k") -> bytes | None:
    cache = Cache(folder, "ir", "v")
    try:
        return cache.get(key)
    finally:
        cache.close()


def test_what_is_kept_is_found_again(tmp_path: Path) -> None:
    stored(tmp_path)
    assert read(tmp_path) == VALUE
    assert read(tmp_path, b"other") is None


def test_a_value_is_found_before_it_is_written(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "ir", "v")
    cache.put(b"k", VALUE)
    assert cache.get(b"k") == VALUE
    cache.close()


@pytest.mark.parametrize("content", [b"", b"not a database" * 500], ids=["empty", "foreign"])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path = stored(tmp_path)
    path.write_bytes(content)
    assert read(tmp_path) is None
    stored(tmp_path)
    assert read(tmp_path) == VALUE


def test_a_file_damaged_inside_is_replaced(tmp_path: Path) -> None:
    cache = Cache(tmp_path, "ir", "v")
    for number in range(400):
        cache.put(key_of(str(number)), os.urandom(300))
    cache.close()
    path = tmp_path / "ir-v.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    assert [read(tmp_path, key_of(str(number))) for number in range(400)] == [None] * 400
    stored(tmp_path)
    assert read(tmp_path) == VALUE


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "text", "swap"])
def test_a_damaged_entry_is_not_believed(tmp_path: Path, change: str) -> None:
    path = stored(tmp_path)
    stored(tmp_path, b"other", b"another value")
    with sqlite3.connect(path) as connection:
        rows = dict(connection.execute("SELECT key, value FROM entries"))
        whole = rows[b"k"]
        damaged: object = {
            "flip": whole[:-1] + bytes([whole[-1] ^ 1]),
            "cut": whole[: len(whole) // 2],
            "empty": b"",
            "text": "text",
            "swap": rows[b"other"],
        }[change]
        connection.execute("UPDATE entries SET value = ? WHERE key = ?", (damaged, b"k"))
    connection.close()
    assert read(tmp_path) is None
    stored(tmp_path)
    assert read(tmp_path) == VALUE


WRITER = """
import sys
from pathlib import Path
from specdiff.cache import Cache, key_of
folder, name, rounds = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
cache = Cache(folder, "ir", "v")
print("ready", flush=True)
number = 0
while number < rounds:
    for _ in range(20):
        cache.put(key_of(name, str(number)), (name + str(number)).encode() * 500)
        number += 1
    cache.flush()
cache.close()
"""


def start_writer(folder: Path, name: str, rounds: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name, str(rounds)], stdout=subprocess.PIPE)


def test_a_process_killed_in_the_middle_of_a_write_leaves_a_sound_store(tmp_path: Path) -> None:
    for attempt in range(3):
        writer = start_writer(tmp_path, f"w{attempt}", 1_000_000)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.05 * (attempt + 1))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        for number in range(2_000):
            value = read(tmp_path, key_of(f"w{attempt}", str(number))) if number % 100 == 0 else None
            assert value in (None, f"w{attempt}{number}".encode() * 500)
    stored(tmp_path)
    assert read(tmp_path) == VALUE


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    writers = [start_writer(tmp_path, f"w{index}", 200) for index in range(4)]
    for writer in writers:
        assert writer.wait() == 0
        assert writer.stdout is not None
        writer.stdout.close()
    cache = Cache(tmp_path, "ir", "v")
    for index in range(4):
        for number in range(200):
            assert cache.get(key_of(f"w{index}", str(number))) == f"w{index}{number}".encode() * 500
    cache.close()


def test_a_process_that_makes_the_file_is_waited_for(tmp_path: Path) -> None:
    """Where two workers begin at once, one of them finds the new file locked; what it makes is kept all the same."""
    other = sqlite3.connect(tmp_path / "ir-v.sqlite", isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE entries (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
    other.execute("BEGIN IMMEDIATE")
    done = threading.Timer(0.1, other.execute, ("COMMIT",))
    done.start()
    stored(tmp_path)
    done.join()
    other.close()
    assert read(tmp_path) == VALUE


FULL = """
import resource, signal, sys
from pathlib import Path
from specdiff.cache import Cache
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
cache = Cache(Path(sys.argv[1]), "ir", "v")
import os
for number in range(50):
    cache.put(str(number).encode(), os.urandom(5_000))
    cache.flush()
print([cache.get(b"first")])
cache.close()
"""


def test_where_no_more_can_be_written_everything_works_without_a_cache(tmp_path: Path) -> None:
    """A limit on the size of files stands for a full disk."""
    stored(tmp_path, b"first")
    done = subprocess.run([sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert read(tmp_path, b"first") == VALUE
    stored(tmp_path)
    assert read(tmp_path) == VALUE


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    stored(tmp_path)
    assert read(tmp_path) is None
    tmp_path.chmod(0o700)


def test_a_file_in_the_folder_s_place_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    stored(tmp_path / "file")
    assert read(tmp_path / "file") is None


def test_a_new_version_pushes_out_the_files_longest_unused(tmp_path: Path) -> None:
    for number in range(8):
        path = tmp_path / f"ir-{number}.sqlite"
        path.write_bytes(b"")
        os.utime(path, (number, number))
    (tmp_path / "result-1.sqlite").write_bytes(b"")
    stored(tmp_path)
    kept = sorted(path.name for path in tmp_path.glob("ir-*.sqlite"))
    assert kept == sorted(["ir-v.sqlite", *(f"ir-{number}.sqlite" for number in range(9 - KEEP_FILES, 8))])
    assert (tmp_path / "result-1.sqlite").exists()


def test_the_cache_can_be_moved_and_switched_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SPECDIFF_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.setenv("SPECDIFF_CACHE", "off")
    assert cache_folder() is None


def test_lowered_source_has_its_own_version() -> None:
    assert ir_version() != analyser_version()
