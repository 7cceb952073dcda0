"""The steps of an adoption: read, infer, write the family file, compare with the pickle, publish, judge, promote."""

from __future__ import annotations

import shutil
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from model_training.adopting import drafting, family_file, likeness, pickles
from model_training.adopting.positions import by_position
from model_training.adopting.sample import read_sample
from model_training.adopting.settings_file import FOLDER, with_folder
from model_training.gate import CHAMPION, judge
from twotier.errors import ConfigurationError
from twotier.family import NAME
from twotier.registry import Registry, RegistrySettings, Version
from twotier.settings import SharedSettings


@dataclass(frozen=True, slots=True)
class Adopted:
    """What became of it."""

    version: Version
    champion: str | None
    wrote: list[Path]
    """Files that were made or changed, beside the registry's own."""


def adopt(
    settings: RegistrySettings, shared: SharedSettings, *, pickle: Path, name: str, sample: Path, target: str | None, who: str
) -> Adopted:
    """Adopt a pickled classifier as a version of the family `name`; if the folder of families has none of that name, its file is written.

    `sample` is CSV text with a header; `target` names its column with the right labels, if it has one. Reading the pickle runs its code.
    The version becomes champion if its gate finds no fault and there is no champion yet; `who` is put down as the one who made it so.

    Raises ConfigurationError and VersionSkew; then there is no new version and no new file but an empty registry's.
    """
    if not NAME.match(name):
        raise ConfigurationError(f"a family's name is lower-case letters, digits and _, at most 40, beginning with a letter, not {name!r}")
    adoptee = pickles.read(pickle, settings.skew)
    read = read_sample(sample, adoptee, target)
    told, labels = likeness.asked(adoptee, read.columns, pickle)
    likeliest = adoptee.model.classes_[told.argmax(axis=1)]
    model = by_position(adoptee.model, read.names)
    shared, settings_file, changed = with_folder(shared)
    folder = shared.families or FOLDER
    file, raw = folder / f"{name}.py", shared.data / "raw" / f"{name}.csv"
    wrote: list[Path] = []
    with ExitStack() as undo:
        if not folder.exists():
            folder.mkdir(parents=True)
            undo.callback(shutil.rmtree, folder)
        if not file.exists():
            described = drafting.description(name, pickle, adoptee, model, read, likeliest.tolist(), target)
            file.write_text(family_file.render(described), encoding="utf-8")
            undo.callback(file.unlink)
            wrote.append(file)
        with closing(Registry.open(settings, shared)) as registry:
            scorer = drafting.scorer_of(registry.families[name], model, read)
            known = drafting.labelled(scorer.family, read)
            notes = [*adoptee.notes, likeness.compared(scorer, read.values, told)]
            if others := int((labels != likeliest).sum()):
                notes.append(f"the pickle's predict() says otherwise on {others} rows of the sample: here the likeliest label answers")
            drafted = drafting.draft(scorer, model, known, adoptee, pickle, file)
            version = registry.publish(scorer.family, scorer.card.estimator, model, drafted)
            undo.pop_all()
            report = judge(registry, version, known if target else None, noted=notes)
            version = registry.record_gate(version, report)
            if report.passed and CHAMPION not in registry.aliases(name):
                how = "judged on its sample" if target else "not judged, as no labels were given"
                registry.promote(name, CHAMPION, version.name, who=who, why=f"adopted, {how}: {pickle.name}, SHA-256 {adoptee.sha256}")
            champion = registry.aliases(name).get(CHAMPION)
    if target and not raw.exists():
        raw.parent.mkdir(parents=True, exist_ok=True)
        wrote.append(Path(shutil.copyfile(sample, raw)))
    if changed is not None:
        settings_file.write_text(changed, encoding="utf-8")
        wrote.append(settings_file)
    return Adopted(version, champion, wrote)
