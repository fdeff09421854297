"""Forms of base models, runs and sweeps; labels, help and limits of settings are those of the engine's own
configuration."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from django import forms
from django.db.models import QuerySet

from training.engine.config import ALL_LINEAR, FULL, PRESETS, PreferenceConfig, RunConfig
from training.models import Adapter, BaseModel, Dataset

Groups = Mapping[str, tuple[str, ...]]
Preset = Mapping[str, Any]

LEARNING = ("epochs", "learning_rate", "batch_size", "max_length", "max_question", "seed")
SCHEDULE = ("accumulation", "warmup_share", "schedule", "precision")
FINE_TUNING: Groups = {
    "The adapter": ("rank", "alpha", "dropout", "target_modules", "rslora", "dora"),
    "How it learns": LEARNING,
    "When it is evaluated, and when it ends": ("evaluations_per_epoch", "patience", "scored_answers", "keep_best"),
    "Schedule, precision and memory": (*SCHEDULE, "four_bit"),
}
WHOLE: Groups = {
    "How it learns": LEARNING,
    "When it is evaluated, and when it ends": FINE_TUNING["When it is evaluated, and when it ends"],
    "Schedule and precision": SCHEDULE,
}
PREFERENCE: Groups = {
    "How it learns": ("beta", *LEARNING),
    "When it is evaluated, and when it ends": ("evaluations_per_epoch", "patience", "keep_best"),
    "Schedule and precision": SCHEDULE,
}
CHOICES: Mapping[str, list[tuple[str, str]]] = {
    "schedule": [(name, name) for name in ("cosine", "linear", "constant")],
    "precision": [(name, name) for name in ("float32", "bfloat16")],
}
KINDS_OF_FIELD: dict[str, type[forms.Field]] = {
    "int": forms.IntegerField,
    "float": forms.FloatField,
    "str": forms.CharField,
}


class BaseModelForm(forms.Form):
    """A folder below the folder of models of this site."""

    name = forms.CharField(max_length=120, help_text="As it should stand on forms and cards, for example Llama 3.1 8B.")
    folder = forms.CharField(max_length=255, help_text="Inside the folder of models of this site.")
    licence = forms.CharField(
        max_length=120, required=False, help_text="Empty takes the name in the model's licence file."
    )
    note = forms.CharField(widget=forms.Textarea(attrs={"rows": 3}), required=False)


class SettingsForm(forms.Form):
    """Settings of a method of training, as fields in groups."""

    CONFIG: type[RunConfig] | type[PreferenceConfig]
    GROUPS: Groups
    REQUIRED: Preset = {"base_model": "chosen"}

    def __init__(self, *args: Any, preset: Preset, **kwargs: Any) -> None:
        parts = {name: value for name, value in preset.items() if name not in self.setting_names()}
        super().__init__(*args, **{**kwargs, "initial": parts})
        settings = {item.name: item for item in fields(self.CONFIG)}
        for name in self.setting_names():
            self.fields[name] = _field(settings[name], preset)

    def setting_names(self) -> list[str]:
        """The settings that are asked for one value."""
        return [name for names in self.GROUPS.values() for name in names]

    def grouped(self, title: str, *names: str) -> list[tuple[str, list[Any]]]:
        """(title, bound fields) for the page: first what it is about, last the schedule, which is folded away."""
        settings = [(group, [self[name] for name in found]) for group, found in self.GROUPS.items()]
        return [(title, [self[name] for name in names]), *settings]

    def clean_target_modules(self) -> Any:
        words = [word.strip() for word in self.cleaned_data["target_modules"].split(",") if word.strip()]
        return words[0] if len(words) == 1 and words[0] in (ALL_LINEAR, *PRESETS) else words

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        for name, sentence in self.CONFIG.problems({**self.REQUIRED, **self.values(cleaned)}).items():
            self.add_error(name, sentence)
        return cleaned

    def config(self) -> dict[str, Any]:
        """The values of the configuration that the person chose."""
        return self.values(self.cleaned_data)

    def values(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """Those of the settings that are filled in rightly so far."""
        found = {name: cleaned[name] for name in self.setting_names() if name in cleaned}
        return {name: tuple(value) if isinstance(value, list) else value for name, value in found.items()}


class RunForm(SettingsForm):
    """Fine-tuning: what to train on, from which base model, and every setting that changes the result."""

    CONFIG = RunConfig
    GROUPS = FINE_TUNING

    dataset = forms.ModelChoiceField(queryset=Dataset.objects.none(), empty_label=None)
    base_model = forms.ModelChoiceField(queryset=BaseModel.objects.none(), empty_label=None)

    def __init__(
        self, *args: Any, datasets: QuerySet[Dataset], base_models: QuerySet[BaseModel], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["base_model"].queryset = base_models  # type: ignore[attr-defined]

    @property
    def groups(self) -> list[tuple[str, list[Any]]]:
        """(title, bound fields) for the page."""
        return self.grouped("What", "dataset", "base_model")


class WholeForm(RunForm):
    """Fine-tuning of every weight of a small base model: no setting of an adapter."""

    GROUPS = WHOLE

    def values(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        """As of every fine-tuning, and that it is the whole model."""
        return {**super().values(cleaned), "technique": FULL}


class PreferenceForm(SettingsForm):
    """Preference tuning (DPO): pairs to learn from, the adapter to go on from, and every setting."""

    CONFIG = PreferenceConfig
    GROUPS = PREFERENCE
    REQUIRED = {"base_model": "chosen", "adapter": "chosen"}

    dataset = forms.ModelChoiceField(
        queryset=Dataset.objects.none(), empty_label=None,
        help_text="Only datasets of pairs: a better and a worse answer to the same question.",
    )  # fmt: skip
    start_adapter = forms.ModelChoiceField(
        queryset=Adapter.objects.none(), empty_label=None, label="Adapter to go on from",
        help_text="It is also the reference: the new adapter is held to what this one answers.",
    )  # fmt: skip

    def __init__(self, *args: Any, datasets: QuerySet[Dataset], adapters: QuerySet[Adapter], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["start_adapter"].queryset = adapters  # type: ignore[attr-defined]
        self.fields["start_adapter"].label_from_instance = (  # type: ignore[attr-defined]
            lambda adapter: f"{adapter}, on {adapter.base_model.name}"
        )

    @property
    def groups(self) -> list[tuple[str, list[Any]]]:
        """(title, bound fields) for the page."""
        return self.grouped("What", "dataset", "start_adapter")


def _left_to_right() -> forms.TextInput:
    """For numbers and names of modules, whose order would turn round on pages that run from right to left."""
    return forms.TextInput(attrs={"dir": "ltr"})


class ListField(forms.CharField):
    """Numbers with commas or spaces between, each once; cleaned to a list."""

    def __init__(self, *, of: Callable[[str], Any], **kwargs: Any) -> None:
        super().__init__(widget=_left_to_right(), **kwargs)
        self.of = of

    def clean(self, value: Any) -> list[Any]:
        words = super().clean(value).replace(",", " ").replace(";", " ").split()
        noun = "whole number" if self.of is int else "number"
        found = []
        for word in words:
            try:
                found.append(self.of(word))
            except ValueError:
                raise forms.ValidationError(
                    f"“{word}” is no {noun}. Write {noun}s with spaces or commas between, and a point for decimals."
                ) from None
        return list(dict.fromkeys(found))

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


class SweepForm(SettingsForm):
    """Fine-tunings on one dataset: several base models, ranks, learning rates and seeds, and what all share."""

    CONFIG = RunConfig
    GROUPS = {
        **FINE_TUNING,
        "The adapter": tuple(name for name in FINE_TUNING["The adapter"] if name not in ("rank", "alpha")),
        "How it learns": tuple(name for name in LEARNING if name not in ("learning_rate", "seed")),
    }
    AXES = {"ranks": "rank", "learning_rates": "learning_rate", "seeds": "seed"}

    dataset = forms.ModelChoiceField(queryset=Dataset.objects.none(), empty_label=None)
    base_models = forms.ModelMultipleChoiceField(queryset=BaseModel.objects.none(), widget=forms.CheckboxSelectMultiple)
    ranks = ListField(of=int, help_text="Each is tried: 4, 8, 16.")
    learning_rates = ListField(of=float, help_text="Each is tried with each rank: 0.0001, 0.0002.")
    seeds = ListField(of=int, help_text="More than one shows how much of a difference is chance: 42, 43.")
    alpha_per_rank = forms.FloatField(
        label="Alpha, as a multiple of the rank", min_value=0.01, max_value=256, initial=2,
        help_text="Alpha grows with the rank, so that only the size of the adapter differs. Twice the rank is usual.",
    )  # fmt: skip

    def __init__(
        self, *args: Any, datasets: QuerySet[Dataset], base_models: QuerySet[BaseModel], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].queryset = datasets  # type: ignore[attr-defined]
        self.fields["base_models"].queryset = base_models  # type: ignore[attr-defined]

    @property
    def groups(self) -> list[tuple[str, list[Any]]]:
        """(title, bound fields) for the page."""
        return self.grouped("What is tried", "dataset", "base_models", *self.AXES, "alpha_per_rank")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        for field, name in self.AXES.items():
            for value in cleaned.get(field, ()):
                if sentence := RunConfig.problems({"base_model": "chosen", name: value}).get(name):
                    self.add_error(field, f"{value}: {sentence}")
                    break
        return cleaned

    def axes(self) -> dict[str, list[Any]]:
        """The values to try, by the name of the setting."""
        return {name: self.cleaned_data[field] for field, name in self.AXES.items()}


def _field(item: Any, preset: Preset) -> forms.Field:
    initial = preset.get(item.name, item.default)
    meta = {"label": item.metadata["label"], "help_text": item.metadata["help_text"], "initial": initial}
    if item.name in CHOICES:
        return forms.ChoiceField(choices=CHOICES[item.name], **meta)
    if item.name == "target_modules":
        initial = initial if isinstance(initial, str) else ", ".join(initial)
        return forms.CharField(**{**meta, "initial": initial}, widget=_left_to_right())
    if item.type == "bool":
        return forms.BooleanField(required=False, **meta)
    return KINDS_OF_FIELD[item.type](**meta)
