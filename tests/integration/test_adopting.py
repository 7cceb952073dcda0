"""Adoption, from a pickle and a sample to a judged version, and what it refuses and why."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from model_training import train
from model_training.adopting import Adopted, adopt
from twotier.errors import ConfigurationError, VersionSkew
from twotier.registry import Registry, RegistrySettings
from twotier.settings import SharedSettings

ROWS = 60

TABLE = pd.DataFrame(
    {
        "age": np.arange(ROWS) % 37 + 20,
        "the plan": np.array(["a", "b", None], dtype=object)[np.arange(ROWS) % 3],
        "bill": np.where(np.arange(ROWS) % 7 == 0, np.nan, np.arange(ROWS) / 4),
        "vip": np.arange(ROWS) % 2 == 0,
    }
)
AGES = TABLE[["age"]]
LEFT = (TABLE.age > 38).to_numpy()


class Doubting(DecisionTreeClassifier):  # type: ignore[misc]
    """Predicts otherwise than its probabilities say."""

    def predict(self, X: Any) -> Any:
        """The first label, always."""
        return np.full(len(X), self.classes_[0])


class Shaky(DecisionTreeClassifier):  # type: ignore[misc]
    """Answers a table otherwise than a matrix."""

    def predict_proba(self, X: Any) -> Any:
        """(rows, features) -> (rows, 2)."""
        return np.full((len(X), 2), 0.5) if isinstance(X, pd.DataFrame) else super().predict_proba(X)


class NoFigure(DecisionTreeClassifier):  # type: ignore[misc]
    """Has no probability to give."""

    def predict_proba(self, X: Any) -> Any:
        """(rows, features) -> (rows, 2)."""
        return np.full((len(X), 2), np.nan)


class Sent:
    """What its own unpickling does not find."""

    def __reduce__(self) -> Any:
        """Unpickling calls this."""
        return int, ("not a number",)


Adopting = Callable[..., Adopted]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def adopting(folder: Path) -> Adopting:
    """Pickle a model and adopt it with a sample of rows."""

    def call(model: Any, table: pd.DataFrame = AGES, *, name: str = "churn", target: Any = None, **settings: Any) -> Adopted:
        Path("model.pkl").write_bytes(model if isinstance(model, bytes) else pickle.dumps(model))
        (table if target is None else table.assign(left=target)).to_csv("rows.csv", index=False)
        return adopt(
            RegistrySettings.read(**settings),
            SharedSettings.read(),
            pickle=Path("model.pkl"),
            name=name,
            sample=Path("rows.csv"),
            target=None if target is None else "left",
            who="somebody",
        )

    return call


def _registry() -> Registry:
    return Registry.open(RegistrySettings.read(), SharedSettings.read())


def _mixed(labels: Any) -> Any:
    columns = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["the plan"]), ("drop", ["bill"]), remainder="passthrough"
    )
    return make_pipeline(columns, KNeighborsClassifier(3)).fit(TABLE, labels)


@pytest.mark.parametrize(
    ("labels", "kind", "classes"),
    [
        (np.where(LEFT, 1, 0), int, ["0", "1"]),
        (np.where(LEFT, "yes", "no"), str, ["no", "yes"]),
        (LEFT, bool, ["False", "True"]),
        (np.where(LEFT, 1.0, 0.0), float, ["0.0", "1.0"]),
        (TABLE.age.to_numpy() % 3, int, ["0", "1", "2"]),
    ],
    ids=["0/1", "text", "truth", "numbers", "three"],
)
def test_labels_keep_their_type(adopting: Adopting, labels: Any, kind: type, classes: list[str]) -> None:
    """The card has them as text; the answer has them as the pickle's own predict() gives them, and it trains from the labelled sample."""
    model = _mixed(labels)
    adopted = adopting(model, TABLE, target=labels)
    assert ("k_neighbors_classifier_1", "k_neighbors_classifier_1") == (adopted.version.name, adopted.champion)
    assert ["families/churn.py", "data/raw/churn.csv", "twotier.toml"] == [str(path) for path in adopted.wrote]
    registry = _registry()
    family, scorer = registry.families["churn"], registry.load("churn", "champion")
    assert classes == scorer.card.classes
    assert (kind, kind) == (family.answer.model_fields["output"].annotation, type(family.examples[0].answer["output"]))
    rows = [[None if value != value else value for value in row] for row in TABLE.astype(object).to_numpy().tolist()]
    answers = [getattr(answer, "output") for answer in scorer.answers(rows)]
    assert model.predict(TABLE).tolist() == answers
    assert np.array_equal(model.predict_proba(TABLE), scorer.probabilities(rows))
    assert train(registry, family, data=Path("data")).gate is not None
    registry.close()


def test_columns_are_typed(adopting: Adopting) -> None:
    """The row has the sample's columns with types, ranges, choices and gaps, and refuses what they do not allow."""
    adopting(_mixed(LEFT), TABLE)
    registry = _registry()
    properties = registry.families["churn"].row.model_json_schema()["properties"]
    registry.close()
    assert ["age", "the plan", "bill", "vip"] == list(properties)
    assert {"type": "integer", "minimum": 0, "maximum": 92} == {key: properties["age"][key] for key in ("type", "minimum", "maximum")}
    assert {"enum": ["a", "b"], "type": "string"} in properties["the plan"]["anyOf"]
    assert [{"minimum": 0, "maximum": 30, "type": "number"}, {"type": "null"}] == properties["bill"]["anyOf"]
    assert "boolean" == properties["vip"]["type"]


def test_without_labels_it_is_champion_by_adoption(adopting: Adopting) -> None:
    """The report and the alias's history say that nothing could be judged; the card and the model card say that it was adopted."""
    adopted = adopting(DecisionTreeClassifier().fit(AGES, LEFT))
    assert adopted.version.gate is not None
    assert ["families/churn.py", "twotier.toml"] == [str(path) for path in adopted.wrote]
    assert "noted: it answers all 60 rows of the sample as the pickle does, to the bit." == adopted.version.gate.findings[0]
    assert "noted: auc, of which at least 0.5 is wanted, was not judged" in adopted.version.gate.findings[1]
    registry = _registry()
    (move,) = registry.history("churn", "champion")
    card = registry.load("churn", "champion").card
    registry.close()
    assert ("somebody", f"adopted, not judged, as no labels were given: model.pkl, SHA-256 {card.adopted}") == (move.who, move.why)
    assert ({}, 0, None) == (card.metrics, card.data.train_rows, card.data.seed)
    assert "Adopted from a pickle" in Path("data/models/churn/decision_tree_classifier_1/MODEL_CARD.md").read_text()


def test_another_pickle_is_another_version(adopting: Adopting) -> None:
    """Under the same name the family stays as it was edited; the new version waits to be promoted."""
    adopting(DecisionTreeClassifier().fit(AGES, LEFT))
    file = Path("families/churn.py")
    file.write_text(file.read_text().replace("Its likeliest label.", "Who leaves."))
    again = adopting(DecisionTreeClassifier(max_depth=1).fit(AGES, LEFT), target=LEFT)
    assert ("decision_tree_classifier_2", "decision_tree_classifier_1") == (again.version.name, again.champion)
    assert ["data/raw/churn.csv"] == [str(path) for path in again.wrote]
    assert "Who leaves." in file.read_text()


def test_gate_that_refuses(adopting: Adopting) -> None:
    """A model that is worse than chance on its own sample is published, but does not serve."""
    adopted = adopting(DecisionTreeClassifier().fit(AGES, LEFT), target=~LEFT)
    assert adopted.version.gate is not None
    assert not adopted.version.gate.passed
    assert adopted.champion is None


def test_predict_that_thinks_otherwise_is_noted(adopting: Adopting) -> None:
    """Where predict() is not the likeliest label, as with some models it is not, the report says on how many rows."""
    adopted = adopting(Doubting(max_depth=2).fit(AGES, LEFT))
    assert adopted.version.gate is not None
    assert adopted.version.gate.findings[1].startswith(f"noted: the pickle's predict() says otherwise on {LEFT.sum()} rows")


def test_rounding_is_told(adopting: Adopting) -> None:
    """A product of matrices may differ in the last digits: the report says by how much."""
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 40)), columns=[f"column {number}" for number in range(40)])
    labels = table.sum(axis=1) > 0
    adopted = adopting(make_pipeline(StandardScaler(), LogisticRegression()).fit(table, labels), table)
    assert adopted.version.gate is not None
    assert adopted.version.gate.findings[0].endswith(("to the bit.", "of rounding."))


def test_model_without_names_takes_the_columns_as_they_are(adopting: Adopting) -> None:
    """Fitted on a bare matrix, it is given the sample's columns in their order, and they must be as many."""
    model = DecisionTreeClassifier().fit(AGES.to_numpy(), LEFT)
    with pytest.raises(ConfigurationError, match="fitted on 1 columns without names, and the sample rows.csv has 4"):
        adopting(model, TABLE)
    assert "champion" in _aliases(adopting(model, target=LEFT))


def _aliases(adopted: Adopted) -> dict[str, str]:
    registry = _registry()
    aliases = registry.aliases(adopted.version.family)
    registry.close()
    return aliases


def test_joblib_is_read_too(folder: Path) -> None:
    """A file that joblib made, compressed, is adopted like one of pickle's."""
    joblib.dump(DecisionTreeClassifier().fit(AGES, LEFT), "model.joblib", compress=3)
    AGES.to_csv("rows.csv", index=False)
    settings = RegistrySettings.read(), SharedSettings.read()
    adopted = adopt(*settings, pickle=Path("model.joblib"), name="churn", sample=Path("rows.csv"), target=None, who="somebody")
    assert adopted.champion == adopted.version.name


def test_estimator_that_cannot_be_written(adopting: Adopting) -> None:
    """It is served all the same; training it says, in the family file, what is to be written there."""
    model = make_pipeline(FunctionTransformer(np.log1p), DecisionTreeClassifier()).fit(AGES, LEFT)
    adopting(model, target=LEFT)
    registry = _registry()
    with pytest.raises(ConfigurationError, match="say in the file of family churn how its estimator is made: numpy.ufunc has no form"):
        train(registry, registry.families["churn"], data=Path("data"))
    registry.close()


def test_another_scikit_learn(adopting: Adopting, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused in words, unless the policy is to warn: then the report remembers."""
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", "0.1.2")
        state = pickle.dumps(DecisionTreeClassifier().fit(AGES, LEFT))
    with pytest.raises(VersionSkew, match=f"made with scikit-learn 0.1.2, and this is {sklearn.__version__}: make it again"):
        adopting(state)
    adopted = adopting(state, skew="warn")
    assert adopted.version.gate is not None
    assert "REGISTRY_SKEW=warn" in adopted.version.gate.findings[0]


REFUSED: dict[str, tuple[Any, dict[str, Any], str]] = {
    "no predict_proba": (LinearSVC().fit(AGES, LEFT), {}, "LinearSVC, which has no predict_proba.*CalibratedClassifierCV"),
    "a regressor": (LinearRegression().fit(AGES, LEFT), {}, "a regressor cannot be adopted"),
    "no model": ({"model": 1}, {}, "holds a dict, which is no model"),
    "not fitted": (DecisionTreeClassifier(), {}, "not fitted: fit it, and pickle it then"),
    "several labels": (DecisionTreeClassifier().fit(AGES, np.c_[LEFT, ~LEFT]), {}, "several labels per row"),
    "odd labels": (DecisionTreeClassifier().fit(AGES, np.where(LEFT, np.datetime64("2020"), np.datetime64("2021"))), {}, "labels are"),
    "pickle of nothing": (Sent(), {}, "cannot be unpickled .ValueError: invalid literal"),
    "text alone": (
        make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TABLE.vip.astype(str), LEFT),
        {"table": TABLE[["vip"]]},
        "cannot answer the rows of the sample",
    ),
    "no figures": (NoFigure().fit(AGES, LEFT), {}, "does not answer each row of the sample with one probability"),
    "another answer": (Shaky().fit(AGES, LEFT), {}, "row 1 of the sample has other probabilities then"),
    "a table only": (
        make_pipeline(FunctionTransformer(pd.DataFrame.abs), DecisionTreeClassifier()).fit(AGES, LEFT),
        {},
        "cannot be made to answer a plain matrix, which is what serving has .AttributeError",
    ),
    "column missing": (DecisionTreeClassifier().fit(TABLE[["age", "vip"]], LEFT), {}, "has no column vip, and the model wants it"),
    "target is a feature": (
        DecisionTreeClassifier().fit(AGES.rename(columns={"age": "left"}), LEFT),
        {"target": LEFT},
        "left is one of the model's features",
    ),
    "one row": (DecisionTreeClassifier().fit(AGES, LEFT), {"table": AGES[:1]}, "at least two rows"),
    "unknown label": (DecisionTreeClassifier().fit(AGES, LEFT), {"target": "maybe"}, "row 1, column left: none of the model's labels"),
    "label not there": (DecisionTreeClassifier().fit(AGES, LEFT), {"target": True}, "no row with label False: add some"),
    "bad name": (DecisionTreeClassifier().fit(AGES, LEFT), {"name": "Churn"}, "lower-case letters"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_in_words(adopting: Adopting, case: str) -> None:
    """What cannot be adopted is refused with what is wrong and what to do, and leaves no file behind."""
    model, options, words = REFUSED[case]
    with pytest.raises(ConfigurationError, match=words):
        adopting(model, **options)
    assert not Path("families").exists() and not Path("twotier.toml").exists() and not Path("data/models").exists()


def test_pickle_that_is_not_there(folder: Path) -> None:
    """It is named."""
    settings = RegistrySettings.read(), SharedSettings.read()
    with pytest.raises(ConfigurationError, match="model.pkl cannot be read: No such file"):
        adopt(*settings, pickle=Path("model.pkl"), name="churn", sample=Path("rows.csv"), target=None, who="somebody")


def test_name_of_a_shipped_family(adopting: Adopting) -> None:
    """Beside the families that are shipped, none may have the name of one; the file that was written is taken away again."""
    Path("own").mkdir()
    Path("twotier.toml").write_text('[twotier]\nfamilies = "own"\n')
    with pytest.raises(ConfigurationError, match="there is another family called 'iris'"):
        adopting(DecisionTreeClassifier().fit(AGES, LEFT), name="iris")
    assert [] == list(Path("own").glob("*.py"))


def test_without_pandas(folder: Path) -> None:
    """Numbers need no table to be compared; a model that selects columns by name does, and the message says so."""
    AGES.to_csv("ages.csv", index=False)
    TABLE.to_csv("table.csv", index=False)
    Path("ages.pkl").write_bytes(pickle.dumps(DecisionTreeClassifier().fit(AGES, LEFT)))
    Path("table.pkl").write_bytes(pickle.dumps(_mixed(LEFT)))
    script = "import sys; sys.modules['pandas'] = None; from twotier.cli import main; main()"
    told = [
        subprocess.run(
            [sys.executable, "-c", script, "adopt", f"{name}.pkl", "--name", name, "--sample", f"{name}.csv", "--trust"],
            capture_output=True, text=True, check=False,
        )
        for name in ("ages", "table")
    ]
    assert [0, 2] == [ran.returncode for ran in told], told
    assert "it was fitted on a table, so install pandas" in told[1].stderr
