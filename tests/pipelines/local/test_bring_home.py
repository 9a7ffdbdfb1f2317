from components.shared.store.disk import DiskStore
from pipelines.local.run import bring_home


def test_the_report_comes_home_with_what_it_links_to_and_nothing_else(tmp_path):
    store = DiskStore(tmp_path / "store")
    wanted = {
        "report.html",
        "notification.json",
        "doubtful_labels.csv",
        "data_docs/index.html",
        "data_docs/static/style.css",
    }
    for name in wanted | {"evidence/gate.json", "evaluation/rows.parquet", "summary.json"}:
        store.write(f"runs/one/{name}", name.encode())
    store.write("runs/one-more/report.html", b"another run")
    home = tmp_path / "home"
    assert bring_home(store, "one", home)
    assert {
        path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()
    } == wanted
    assert (
        home / "data_docs" / "static" / "style.css"
    ).read_bytes() == b"data_docs/static/style.css"


def test_a_run_without_a_report_brings_none(tmp_path):
    assert not bring_home(DiskStore(tmp_path / "store"), "one", tmp_path / "home")
