"""Splits: by patient, the same for the same seed, kept in a file, nobody on two sides."""

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mammo.views import Laterality
from training.datasets import catalog, splits
from training.datasets.collection import Collection, DatasetError
from training.datasets.record import Label, LabelRule, Modality, Record, Split

RECORDS = st.lists(
    st.tuples(
        st.integers(0, 40),
        st.sampled_from(list(Label)),
        st.sampled_from(["A", "B"]),
        st.sampled_from([Split.TRAIN, Split.TEST]),
    ),
    min_size=1,
    max_size=120,
)


def _collection(rows: list[tuple[int, Label, str, Split]]) -> Collection:
    records = tuple(
        Record(
            image=f"image{number}",
            file=None,
            data_set="made",
            modality=Modality.FILM,
            patient=f"p{patient}",
            laterality=Laterality.LEFT,
            view="CC",
            device=device,
            label=label,
            label_rule=LabelRule.PATHOLOGY,
            split=part,
        )
        for number, (patient, label, device, part) in enumerate(rows)
    )
    return Collection("made", Path(), records)


def _sides(collection: Collection, partition: splits.Partition) -> dict[str, set[Split]]:
    found: dict[str, set[Split]] = {}
    for record in collection.records:
        part = partition.of(record)
        if part is not None:
            found.setdefault(record.patient, set()).add(part)
    return found


@given(RECORDS, st.integers(0, 9))
def test_nobody_is_on_two_sides(rows: list[tuple[int, Label, str, Split]], seed: int) -> None:
    made = _collection(rows)
    for partition in (splits.seeded(made, seed), splits.official(made)):
        assert all(len(sides) == 1 for sides in _sides(made, partition).values())


@given(RECORDS, st.randoms())
def test_the_order_of_files_does_not_matter(rows, random) -> None:  # type: ignore[no-untyped-def]
    made = _collection(rows)
    mixed = list(made.records)
    random.shuffle(mixed)
    other = Collection(made.name, made.folder, tuple(mixed))
    assert splits.seeded(made, 3).digest == splits.seeded(other, 3).digest
    assert splits.official(made).patients == splits.official(other).patients


def test_shares_hold_in_every_label() -> None:
    labels = [Label.NORMAL] * 100 + [Label.BENIGN] * 60 + [Label.MALIGNANT] * 40
    made = _collection([(n, label, "A", Split.TRAIN) for n, label in enumerate(labels)])
    partition = splits.seeded(made, 1, validation=0.1, test=0.2)
    for label, count in Counter(labels).items():
        parts = Counter(partition.of(r) for r in made.records if r.label is label)
        assert parts == {
            Split.TEST: 0.2 * count,
            Split.VALIDATION: 0.1 * count,
            Split.TRAIN: 0.7 * count,
        }


def test_small_strata_add_up_to_the_shares() -> None:
    # 40 devices with one woman each: each stratum alone would round to nothing in test.
    made = _collection([(n, Label.BENIGN, f"device{n}", Split.TRAIN) for n in range(40)])
    parts = Counter(splits.seeded(made, 1, validation=0.25, test=0.25).patients.values())
    assert parts == {Split.TEST: 10, Split.VALIDATION: 10, Split.TRAIN: 20}


def test_another_seed_is_another_split() -> None:
    made = _collection([(n, Label.BENIGN, "A", Split.TRAIN) for n in range(50)])
    assert splits.seeded(made, 1).digest != splits.seeded(made, 2).digest


def test_the_merged_leak_of_cbis_ddsm_is_closed(shared: Path) -> None:
    _, films = catalog.read(shared / "data/cbis-ddsm-csv")
    partition = splits.official(films)
    parts = Counter(partition.patients.values())
    assert parts == {Split.TRAIN: 1248 - 31, Split.TEST: 349}
    assert all(len(sides) == 1 for sides in _sides(films, partition).values())
    training = {r.patient for r in films.records if r.image in partition.dropped}
    assert training  # images of the 31, dropped from training
    assert all(partition.patients[patient] is Split.TEST for patient in training)


def test_a_saved_split_is_read_as_it_was(tmp_path: Path) -> None:
    rows = [(n % 7, Label.BENIGN, "A", Split.TEST if n % 7 < 2 else Split.TRAIN) for n in range(20)]
    rows.append((0, Label.BENIGN, "A", Split.TRAIN))  # leaks
    partition = splits.official(_collection(rows))
    assert partition.dropped == ("image20",)
    splits.save(partition, tmp_path / "split.json")
    assert splits.load(tmp_path / "split.json") == partition


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d["patients"]["train"].append(d["patients"]["test"][0]), "two sides"),
        (lambda d: d["patients"]["train"].pop(), "digest differs"),
        (lambda d: d.update(format=9), "format 9"),
        (lambda d: d.pop("rule"), "no split"),
    ],
)
def test_a_split_that_was_changed_is_refused(tmp_path: Path, change, said: str) -> None:  # type: ignore[no-untyped-def]
    made = _collection([(n, Label.BENIGN, "A", Split.TRAIN) for n in range(20)])
    path = tmp_path / "split.json"
    splits.save(splits.seeded(made, 1), path)
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(DatasetError, match=said):
        splits.load(path)


def test_a_set_without_an_official_split_says_so() -> None:
    made = Collection(
        "made",
        Path(),
        (Record("a", None, "made", Modality.FILM, "p", None, None),),
    )
    with pytest.raises(DatasetError, match="no official split: use a seed"):
        splits.official(made)
