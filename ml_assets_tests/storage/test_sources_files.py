import gzip
import itertools
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_assets.core.errors import SourceError, UnreadableFileError
from ml_assets.core.problem import FilesSource
from ml_assets.storage.sources import FoundFile, open_source
from ml_assets.storage.sources.read_file import read_file

HEADER = "at,site,temp\n"


def rows_of(folder, content, *, name="a.csv", columns=("at", "site", "temp"), **declared):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    source = FilesSource(kind="files", path=name, **declared)
    opened = open_source(source, root=folder, cache=folder, columns=columns)
    [found] = opened.found()
    with duckdb.connect() as connection:
        try:
            opened.read_file(connection, found, name="landed")
        except UnreadableFileError:
            assert connection.execute("SHOW TABLES").fetchall() == []  # half a file is no file
            raise
        kinds = connection.execute("DESCRIBE landed").fetchall()
        assert [kind[1] for kind in kinds] == ["BIGINT", *["VARCHAR"] * (len(kinds) - 1)]
        return connection.execute("SELECT * FROM landed ORDER BY _row").fetchall()


def test_rows_keep_their_text_and_their_place(tmp_path):
    assert rows_of(tmp_path, HEADER + "1, x ,007\r\n2,,1.50\r\n3,z,") == [
        (1, None, None, "1", " x ", "007"),
        (2, None, None, "2", "", "1.50"),
        (3, None, None, "3", "z", ""),
    ]


def test_broken_lines_are_rows_with_a_fault(tmp_path):
    text = HEADER + "1,x,1\n\n2,y\n3,z,1,extra\n4,z,1,, \n   \n5,w,5\n\x1a\n6,h"
    rows = rows_of(tmp_path, text)
    assert [row[0] for row in rows] == list(range(1, 10))
    assert {row[0]: row[1:3] for row in rows if row[1]} == {
        2: ("blank line", ""),
        3: ("2 fields, the header has 3", "2,y"),
        4: ("4 fields, the header has 3", "3,z,1,extra"),
        6: ("blank line", "   "),
        8: ("end-of-file mark", "\x1a"),
        9: ("2 fields, the header has 3", "6,h"),
    }
    assert rows[4][3:] == ("4", "z", "1")  # only trailing delimiters
    assert all(row[3:] == (None, None, None) for row in rows if row[1])


def test_quotes_enclose_delimiters_line_ends_and_quotes(tmp_path):
    text = HEADER + '1,"a,b",1\n2,"two\r\nlines",2\n"3","say ""hi""",3\n4,5" pipe,4\n'
    assert [row[1:] for row in rows_of(tmp_path, text)] == [
        (None, None, "1", "a,b", "1"),
        (None, None, "2", "two\nlines", "2"),
        (None, None, "3", 'say "hi"', "3"),
        (None, None, "4", '5" pipe', "4"),
    ]


def test_unclosed_quote_takes_no_other_row_along(tmp_path):
    lines = [f"{number},x,{number}" for number in range(1000)]
    lines[3] = '3,"never closed,3'
    lines[7] = '7,"a"b,7'
    rows = rows_of(tmp_path, HEADER + "\n".join(lines))
    assert [(row[0], row[2]) for row in rows if row[1]] == [(4, lines[3]), (8, lines[7])]
    assert len(rows) == 1000


def test_two_stray_quotes_do_not_swallow_what_is_between(tmp_path):
    lines = ['1,"x,1', "2,x,2", "3,x,3", '4,",x,4']
    rows = rows_of(tmp_path, HEADER + "\n".join(lines))
    assert [row[2] or row[3] for row in rows] == [lines[0], "2", "3", lines[3]]


def test_quotes_meet_block_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("ml_assets.storage.sources.text_lines.BLOCK_BYTES", 7)
    text = HEADER + '1,"é\n\nü",1\n2,y,2\n3,"z",3'
    assert [row[3:] for row in rows_of(tmp_path, text)] == [
        ("1", "é\n\nü", "1"),
        ("2", "y", "2"),
        ("3", "z", "3"),
    ]


def test_columns_are_found_by_name(tmp_path):
    text = "temp;other;;site;at;\n1,5;o;;x;1;\n"
    assert rows_of(tmp_path, text, format={"delimiter": ";"}) == [(1, None, None, "1", "x", "1,5")]
    assert rows_of(tmp_path, text, format={"delimiter": ";"}, columns=())[0][3:] == (
        *("1,5", "o", "x", "1"),
    )


def test_renamed_columns_are_found_under_their_old_name(tmp_path):
    renames = [
        {"version": 1, "columns": {"t": "temp"}},
        {"version": 2, "columns": {"degrees": "temp", "place": "site"}},
    ]
    old, newer = "at,place,t\n1,x,2\n", "at,place,t,degrees\n1,x,2,3\n"
    assert rows_of(tmp_path, old, renames=renames)[0][3:] == ("1", "x", "2")
    assert rows_of(tmp_path, newer, renames=renames)[0][3:] == ("1", "x", "3")
    with pytest.raises(UnreadableFileError, match=r"lacks the columns \['site', 'temp'\]"):
        rows_of(tmp_path, old)


def test_header_alone_is_no_rows(tmp_path):
    assert rows_of(tmp_path, HEADER) == []


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", b"\xef\xbb\xbfat,site,temp\n1,caf\xc3\xa9,1\n"),
        ("cp1252", "at,site,temp\n1,café,1\n".encode("cp1252")),
        ("utf-16", "at,site,temp\n1,café,1\n".encode("utf-16")),
        ("utf-8", "at,site,temp\r1,café,1\r".encode()),
        ("utf-8", gzip.compress("at,site,temp\n1,café,1\n".encode())),
    ],
    ids=["byte order mark", "cp1252", "utf-16", "old Mac", "packed"],
)
def test_text_is_decoded_as_declared(tmp_path, encoding, content):
    [row] = rows_of(tmp_path, content, format={"encoding": encoding})
    assert row[3:] == ("1", "café", "1")


def test_tsv_needs_no_declaration(tmp_path):
    text = "at\tsite\ttemp\n1\tx,y\t1\n"
    assert rows_of(tmp_path, gzip.compress(text.encode()), name="a.tsv.gz")[0][4] == "x,y"


def test_json_lines_become_text(tmp_path):
    lines = [
        '{"at": 1700000000123, "site": "x", "temp": 0.1}',
        '{"site": null, "t": true, "at": "1", "more": [1]}',
        "",
        "[1, 2]",
        '{"at": 1, "si',
        '{"at": {"deep": 1}, "site": "s"}',
        "\x1a",
    ]
    renames = [{"version": 1, "columns": {"t": "temp"}}]
    rows = rows_of(tmp_path, "\n".join(lines), name="a.jsonl", renames=renames)
    assert [row[3:] for row in rows if not row[1]] == [
        ("1700000000123", "x", "0.1"),
        ("1", None, "true"),
        ('{"deep":1}', "s", None),
    ]
    assert [row[:3] for row in rows if row[1]] == [
        (3, "blank line", ""),
        (4, "not a JSON object", "[1, 2]"),
        (5, "not a JSON object", '{"at": 1, "si'),
        (7, "end-of-file mark", "\x1a"),
    ]


def test_parquet_becomes_text_without_loss(tmp_path):
    moment = datetime(2024, 1, 1, 12, tzinfo=UTC) + timedelta(microseconds=1)
    values = {
        "at": pa.array([moment, None], pa.timestamp("us", "Europe/Zurich")),
        "site": pa.array(["x", "y"]).dictionary_encode(),
        "temp": pa.array([0.1 + 0.2, float("inf")]),
        "Temp": pa.array([Decimal("1.50"), None]),
        "flag": pa.array([True, None]),
    }
    pq.write_table(pa.table(values), tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    columns = ("at", "site", "temp", "flag")
    assert rows_of(tmp_path, content, name="a.parquet", columns=columns) == [
        (1, None, None, "2024-01-01 12:00:00.000001+00", "x", "0.30000000000000004", "true"),
        (2, None, None, None, "y", "inf", None),
    ]
    with pytest.raises(UnreadableFileError, match="not a whole Parquet file"):
        rows_of(tmp_path, content[:-20], name="b.parquet")
    with pytest.raises(UnreadableFileError, match=r"lacks the columns \['wind'\]"):
        rows_of(tmp_path, content, name="a.parquet", columns=("wind",))


def test_lengths_of_time_in_parquet_are_seconds(tmp_path):
    values = {"at": ["1", "2"], "took": pa.array([1500, None], pa.duration("ms"))}
    pq.write_table(pa.table(values), tmp_path / "made.parquet")
    content = (tmp_path / "made.parquet").read_bytes()
    rows = rows_of(tmp_path, content, name="a.parquet", columns=("at", "took"))
    assert [row[3:] for row in rows] == [("1", "1.5"), ("2", None)]


PACKED = gzip.compress((HEADER + "1,x,1\n" * 1000).encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (gzip.compress(b""), "is an empty file, packed"),
        (PACKED[:-30], "cut-off gzip"),
        (PACKED[:20] + b"\xff" * 20 + PACKED[40:], "damaged"),
        (HEADER + "1,x,1\n<<<<<<< HEAD\n", "line 3, holds a mark of an unresolved merge"),
        (HEADER + "1,x,1\n=======\n1,x,2\n", "line 3, holds"),
        (HEADER + ">>>>>>> branch", "line 2, holds"),
        (HEADER.encode() + b"1,caf\xe9,1\n", "byte 18 cannot be read"),
        (HEADER.encode("utf-16"), "is not utf-8 text: byte 0"),
        (b"at,site,temp\n1,\x00,2\n", "null character"),
        (b"PAR1 and more", "is a Parquet file, not text"),
        (b"PK\x03\x04 and more", "a zip archive"),
        ("1,x,1\n2,y,2\n", "has no header"),
        ("\n" + HEADER, "has no header"),
        ('"at,site,temp\n1,x,1\n', "has no header"),
        ("at,sight,temp\n1,x,1\n", "lacks the columns ['site']. For 'site': Did you mean 'sight'"),
        ("AT,site,temp\n", "lacks the columns ['at']"),
        ("at,site,temp,temp\n1,x,1,2\n", "several columns called ['temp']"),
    ],
    ids=itertools.count(),  # contents differ from process to process: gzip writes the time
)
def test_unreadable_file_is_set_aside_with_its_reason(tmp_path, content, reason):
    with pytest.raises(UnreadableFileError) as caught:
        rows_of(tmp_path, content)
    assert reason in str(caught.value)
    assert "a.csv" in str(caught.value)


def test_last_block_is_judged_before_any_row_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("ml_assets.storage.sources.text_lines.BLOCK_BYTES", 50)
    with pytest.raises(UnreadableFileError, match="line 102, holds"):
        rows_of(tmp_path, HEADER + "1,x,1\n" * 100 + "=======\n")
    with pytest.raises(UnreadableFileError, match="byte 613 cannot be read"):
        rows_of(tmp_path, (HEADER + "1,x,1\n" * 100).encode() + b"\xff\n")


def test_file_without_an_object_is_set_aside(tmp_path):
    with pytest.raises(UnreadableFileError, match="holds no JSON object"):
        rows_of(tmp_path, HEADER + "1,x,1\n", name="a.ndjson")


def test_file_of_an_unknown_kind_says_what_to_declare(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"Declare format\.kind"):
        rows_of(tmp_path, HEADER, name="a.dat")


def test_files_are_found_by_path_and_glob(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/b.csv", "in/a.csv", "in/deep/c.csv", "in/d.txt"):
        (tmp_path / name).write_text(HEADER)

    def names(path):
        opened = open_source(FilesSource(kind="files", path=path), root=tmp_path, cache=tmp_path)
        return [str(found.path.relative_to(tmp_path)) for found in opened.found()]

    assert names("in/*.csv") == ["in/a.csv", "in/b.csv"]
    assert names("in/**/*.csv") == ["in/a.csv", "in/b.csv", "in/deep/c.csv"]
    assert names(f"{tmp_path}/in/[ab].csv") == ["in/a.csv", "in/b.csv"]
    assert names("in/*.tsv") == []
    for path in ("in", "in/z.csv", "out/*.csv"):
        with pytest.raises(SourceError, match=r"source\.path"):
            names(path)


def test_content_names_a_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).write_text("x")
    first, second = FoundFile.at(tmp_path / "a"), FoundFile.at(tmp_path / "b")
    assert first.digest == second.digest
    assert first.digest.startswith("2d711642b726b044")
    assert first.size == 1


FRAGMENTS = [
    "at",
    "1",
    "2024-01-01",
    ",",
    ",",
    '"',
    '""',
    "\n",
    "\n",
    "\r\n",
    "\x1a",
    " ",
    "é",
    "=",
    ";",
]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS), max_size=60).map("".join))
@example('1,"\n2,"3\n"')
@example('"\n' * 9)
@example('a"b,"c\nd,e,f\n"')
def test_every_line_of_junk_is_in_exactly_one_row(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "junk.csv"
    path.write_bytes((HEADER + junk).encode())
    lines = junk.removesuffix("\n").split("\n") if junk else []
    with duckdb.connect() as connection:
        source = FilesSource(kind="files", path=str(path))
        read_file(connection, FoundFile.at(path), source.format, name="landed", columns=("at",))
        rows = connection.execute(
            'SELECT _row, _fault, _text, "at" FROM landed ORDER BY _row'
        ).fetchall()
    assert [row[0] for row in rows] == list(range(1, len(rows) + 1))
    assert len(rows) <= len(lines)
    # Only a field that was closed may hold line ends, so only whole rows may span lines.
    if '"' not in junk:
        assert len(rows) == len(lines)
    assert all((row[1] is None) == (row[2] is None) for row in rows)
    assert all(row[3] is None for row in rows if row[1])
