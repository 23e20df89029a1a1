"""Files that are there whole or not at all."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helpers.csv_files import read_csv
from helpers.files import require_text, write_whole


def test_several_write_at_the_same_time_and_nobody_sees_half(tmp_path):
    path = tmp_path / "file"
    contents = [bytes([number]) * 1_000_000 for number in range(4)]
    write_whole(path, contents[0])

    def write(data):
        for _ in range(20):
            write_whole(path, data)

    with ThreadPoolExecutor() as pool:
        running = [pool.submit(write, data) for data in contents]
        while not all(each.done() for each in running):
            assert path.read_bytes() in contents
        for each in running:
            each.result()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("cut", [3, 5, 9])
def test_a_table_that_was_cut_off_is_refused(tmp_path, cut):
    whole = 'a,b,c\n1,2,3\n4,"5,6",7\n'
    (tmp_path / "table.csv").write_text(whole)
    assert len(read_csv(tmp_path / "table.csv", ["a"])) == 2
    (tmp_path / "table.csv").write_text(whole[:-cut])
    with pytest.raises(ValueError, match=r"(cut off|no UTF-8 CSV)"):
        read_csv(tmp_path / "table.csv", ["a"])


def test_names_that_are_no_text_are_told():
    odd = os.fsdecode(b"films/M\xfcller.dcm")
    require_text(["films/M\u00fcller.dcm", Path("films/a.dcm")])
    with pytest.raises(ValueError, match=r"1 files .* no UTF-8, such as films/M.ller\.dcm"):
        require_text(["films/a.dcm", odd])
