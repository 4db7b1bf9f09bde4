"""The rules of our own hold in the whole project, and each of them can be broken."""

import pytest

from tests.rules import all_broken, broken


def test_the_project_breaks_none_of_its_rules() -> None:
    assert [str(one) for one in all_broken()] == []


@pytest.mark.parametrize(
    "line",
    [
        "cv2.imdecode(data, 0)",
        "cv2.imread(path)",
        "PIL.Image.open(file)",
        "imageio.v3.imread(data)",
        "imagecodecs.imread(data)",
        "dcmread(file, force=True)",
        "pydicom.dcmread(file, force=some)",
        "session.execute(f'SELECT {name}')",
        "text(f'SELECT {NAME}')",
        "text('SELECT ' + name)",
        "text('SELECT %s' % name)",
        "text('SELECT {}'.format(name))",
        "text('SELECT {x}'.replace('{x}', name))",
        "cursor.execute(', '.join(names))",
        "log.info(f'read {name}')",
        "log.info('read', name)",
        "log.info('read', patient=name)",
        "log.error('failed', **facts)",
        "logging.warning(str(error))",
    ],
)
def test_a_line_that_breaks_a_rule_is_named(line: str) -> None:
    (found,) = broken("mammo/x.py", f"import this\n{line}\n")
    assert str(found).startswith("mammo/x.py:2: ")


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("training/datasets/films.py", "cv2.imread(path)"),
        ("mammo/part10.py", "dcmread(file, force=True)"),
        ("ray_jobs/window.py", "ray.cancel(ref, force=True)"),
        ("db/x.py", "text('SELECT 1')"),
        ("db/x.py", "text('SELECT {x}'.replace('{x}', SEEN))"),
        ("ray_jobs/x.py", "log.info('run_started', run=run.id, **_counts(counted))"),
        ("mammo/x.py", "math.log(x)"),
    ],
)
def test_what_is_allowed_is_not(path: str, line: str) -> None:
    assert list(broken(path, line)) == []
