"""The page's files: names, types, how long they may be kept."""

import gzip

import pytest

from isthmus.dashboard import files


@pytest.fixture
def page(tmp_path):
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "assets" / "app-1a2b.js").write_text("let a = 1;\n" * 500)
    (tmp_path / "assets" / "logo.png").write_bytes(b"\x89PNG" * 1000)
    (tmp_path / "secret").symlink_to("/etc/passwd")
    return files.read(tmp_path)


@pytest.mark.parametrize(
    "path, kind, kept",
    [
        ("/index.html", "text/html; charset=utf-8", "no-cache"),
        ("/assets/app-1a2b.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/logo.png", "image/png", "public, max-age=31536000, immutable"),
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/links/east", "text/html; charset=utf-8", "no-cache"),
        ("/secret", "text/html; charset=utf-8", "no-cache"),  # no file of ours: the application's own page
        ("/../../etc/passwd", "text/html; charset=utf-8", "no-cache"),
    ],
)
def test_a_path_and_its_file(page, path, kind, kept):
    found = page.find(path)
    assert (found.kind, dict(found.headers(packed=False))[b"cache-control"].decode()) == (kind, kept)


def test_text_is_compressed_once_and_pictures_never(page):
    script = page.find("/assets/app-1a2b.js")
    assert gzip.decompress(script.packed) == script.body and len(script.packed) < len(script.body) / 10
    assert not page.find("/assets/logo.png").packed


def test_a_missing_asset_is_missing(page):
    assert page.find("/assets/old-0000.js") is None and page.built


def test_a_page_that_is_not_built(tmp_path):
    assert not files.read(tmp_path / "nothing").built
