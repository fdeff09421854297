"""What a lead fills in to open a round: kind, schema, guideline, notes, people. Each kind brings its schema fields."""

from typing import Any

from django import forms
from django.db.models import Exists, OuterRef, QuerySet

from annotation.actions.rounds import NewGuideline, NewSchema
from annotation.codes import code_sets
from annotation.kinds import KINDS, BadPayload, SchemaField
from annotation.models import Batch, DeidentifiedNote, Guideline, Item, KindName, Schema
from annotation.visibility import released_notes
from clinicalft.access import has_permission
from clinicalft.models import Project, User, new_seed
from clinicalft.roles import Permission

NEW = "Write a new one"


def annotators_of(project: Project) -> QuerySet[User]:
    """The people who may annotate in the project."""
    members = User.objects.filter(memberships__project=project, is_active=True, is_imported=False)
    able = [user.pk for user in members if has_permission(user, Permission.ITEM_ANNOTATE, project)]
    return User.objects.filter(pk__in=able)


class PeopleField(forms.ModelMultipleChoiceField):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} (simulated)" if obj.is_simulated else str(obj.name)


class RoundForm(forms.Form):
    """A new round. `arguments` are those of `open_round` once the form is valid."""

    title = forms.CharField(max_length=120)
    kind = forms.ChoiceField(
        widget=forms.RadioSelect, initial=KindName.CLASSIFICATION,
        choices=[(kind.name, f"{kind.title}: {kind.description}") for kind in KINDS.values()],
    )  # fmt: skip
    schema = forms.ModelChoiceField(Schema.objects.none(), required=False, empty_label=NEW, label="Schema version")
    schema_title = forms.CharField(
        max_length=120, label="Title of the schema",
        help_text="The title of an existing one makes its next version.",
    )  # fmt: skip
    guideline = forms.ModelChoiceField(
        Guideline.objects.none(), required=False, empty_label=NEW, label="Guideline version"
    )
    guideline_title = forms.CharField(
        max_length=120, label="Title of the guideline",
        help_text="The title of an existing one makes its next version; annotators then see what changed.",
    )  # fmt: skip
    guideline_text = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 12}), label="How to annotate",
        help_text="Markdown: headings, lists, tables, emphasis. Links and images stay plain text.",
    )  # fmt: skip
    batch = forms.ModelChoiceField(Batch.objects.none(), required=False, empty_label="All batches", label="Notes of")
    only_fresh = forms.BooleanField(
        required=False, initial=True, label="Leave out notes that were in a round of this kind before"
    )
    n_items = forms.IntegerField(
        min_value=1, required=False, label="How many notes", help_text="Drawn at random by the seed; empty means all."
    )
    annotators = PeopleField(User.objects.none(), widget=forms.CheckboxSelectMultiple)
    overlap = forms.IntegerField(
        min_value=1, max_value=5, initial=2, label="Readers per shared item", help_text="Agreement needs at least two."
    )
    coverage = forms.IntegerField(
        min_value=0, max_value=100, initial=100, label="Shared items, per cent", help_text="The rest is read once."
    )
    lease_minutes = forms.IntegerField(
        min_value=5, max_value=1440, initial=30, label="Minutes that an idle item is kept for its reader"
    )
    due_on = forms.DateField(required=False, widget=forms.DateInput(attrs={"type": "date"}), label="Due on")
    seed = forms.IntegerField(
        min_value=0, max_value=2**31 - 2, help_text="The same seed draws the same notes in the same order."
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.project = project
        for name, rows in (("schema", project.schemas), ("guideline", project.guidelines), ("batch", project.batches)):
            self.fields[name].queryset = rows.all()  # type: ignore[attr-defined]
        self.fields["annotators"].queryset = annotators_of(project)  # type: ignore[attr-defined]
        self.fields["seed"].initial = new_seed
        for kind in KINDS.values():
            for field in kind.schema_fields:
                self.fields[f"{kind.name}-{field.name}"] = _made(field)
        if self.is_bound:
            self._release_unneeded()

    def _release_unneeded(self) -> None:
        """What belongs to another kind, or to a version that exists already, need not be filled in."""
        kept = "" if self.data.get("schema") else self.data.get("kind", "")
        unneeded = [name for name in self.fields if "-" in name and not name.startswith(f"{kept}-")]
        unneeded += ["schema_title"] if self.data.get("schema") else []
        unneeded += ["guideline_title", "guideline_text"] if self.data.get("guideline") else []
        for name in unneeded:
            self.fields[name].required = False

    def schema_groups(self) -> list[tuple[str, list[forms.BoundField]]]:
        """For each kind, the fields that make a schema of it."""
        return [(kind.name, [self[f"{kind.name}-{f.name}"] for f in kind.schema_fields]) for kind in KINDS.values()]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if kind := values.get("kind"):
            self._clean_schema(kind, values)
        people, overlap = values.get("annotators"), values.get("overlap")
        if people is not None and overlap and len(people) < overlap:
            self.add_error("annotators", f"Choose at least {overlap} people: so many read each shared item.")
        return values

    def _clean_schema(self, kind: str, values: dict[str, Any]) -> None:
        if chosen := values.get("schema"):
            if chosen.kind != kind:
                self.add_error("schema", f"This schema is for {chosen.get_kind_display().lower()}. Choose another.")
            return
        fields = KINDS[kind].schema_fields
        if any(f"{kind}-{field.name}" in self.errors for field in fields):
            return
        raw = {field.name: values.get(f"{kind}-{field.name}") for field in fields}
        try:
            self.content = KINDS[kind].schema({name: value for name, value in raw.items() if value is not None})
        except BadPayload as fault:
            name = f"{kind}-{fault.field.partition('.')[0]}"
            self.add_error(name if name in self.fields else "schema_title", fault.sentence)

    def notes(self) -> QuerySet[DeidentifiedNote]:
        """The released notes that the choices leave; their texts stay in the database."""
        values, notes = self.cleaned_data, released_notes(self.project).only("pk")
        if values.get("batch"):
            notes = notes.filter(note__batch=values["batch"])
        if values.get("only_fresh"):
            used = Item.objects.filter(note__note=OuterRef("note"), round__kind=values["kind"])
            notes = notes.exclude(Exists(used))
        return notes

    def arguments(self) -> dict[str, Any]:
        """The keyword arguments of `open_round` without `by`."""
        values = self.cleaned_data
        same = ("title", "kind", "n_items", "overlap", "coverage", "lease_minutes", "due_on", "seed", "annotators")
        return {
            "project": self.project, "notes": self.notes(), **{name: values[name] for name in same},
            "schema": values["schema"] or NewSchema(values["schema_title"].strip(), self.content),
            "guideline": values["guideline"]
            or NewGuideline(values["guideline_title"].strip(), values["guideline_text"]),
        }  # fmt: skip


def _made(field: SchemaField) -> forms.Field:
    """A field of a form for a field of a schema."""
    same: dict[str, Any] = {
        "label": field.label, "help_text": field.help, "initial": field.initial, "required": field.required,
    }  # fmt: skip
    if field.widget == "number":
        return forms.IntegerField(**same)
    if field.widget == "check":
        return forms.BooleanField(**same)
    if field.widget == "choice":
        return forms.ChoiceField(choices=field.choices, **same)
    if field.widget == "code_set":
        return forms.ChoiceField(choices=lambda: [(name, name) for name in code_sets()], **same)
    if field.widget in ("lines", "text"):
        rows = 6 if field.widget == "lines" else 3
        return forms.CharField(widget=forms.Textarea(attrs={"rows": rows}), **same)
    return forms.CharField(**same)


class AnnotatorsForm(forms.Form):
    """People who join an open round."""

    annotators = PeopleField(User.objects.none(), widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, people: QuerySet[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["annotators"].queryset = people  # type: ignore[attr-defined]


class WithdrawForm(forms.Form):
    reason = forms.CharField(max_length=300)
