"""Steps 6 to 8: imported and frozen datasets, registered base models, runs and the adapters that they end in."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone

from annotation.models import Agreement, Item, KindName, Patient, Round, WaitingFile
from clinicalft.models import BackgroundWork, GpuWork, Project, User, WorkStatus, new_seed
from training.dataset_models import PromptTemplate as PromptTemplate
from training.dataset_models import TargetShare as TargetShare
from training.dataset_models import Tokenisation as Tokenisation
from training.dataset_models import TokenisedExample as TokenisedExample
from training.duplicates import shingles_of


class DatasetUpload(WaitingFile):
    """A file of examples."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "created_by"], name="dataset_upload_once")]


class DatasetImport(models.Model):
    """Examples that were made elsewhere, from one file, with their source and licence. Never changed."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="dataset_imports")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    source = models.CharField(max_length=500, help_text="Where it was made, by whom, and how to cite it.")
    licence = models.CharField(max_length=120)
    language = models.CharField(max_length=10, default="en")
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    form = models.CharField(max_length=20, help_text="One of training.imports.FORMS.")
    mapping = models.JSONField(default=dict, help_text="Field -> column of the file.")
    instruction = models.TextField(blank=True, help_text="System message of rows that had none.")
    n_rows = models.PositiveIntegerField(default=0)
    faults = models.JSONField(default=list, help_text="[row, sentence] of each row left out; no text of it.")
    imported_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    imported_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="dataset_import_number")]

    def __str__(self) -> str:
        return f"Import {self.number}: {self.title}"


class ImportedExample(models.Model):
    """One row of an imported file. Nobody learns from it before it was checked for identifiers."""

    dataset_import = models.ForeignKey(DatasetImport, on_delete=models.PROTECT, related_name="rows")
    number = models.PositiveIntegerField(help_text="Its row in the file.")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    contents = models.JSONField(help_text="What each says in turn: the system first when there is one, then the user.")
    has_system = models.BooleanField()
    rejected = models.TextField(blank=True, help_text="The worse answer of a preference pair.")
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["dataset_import", "number"], name="imported_example_number")]

    def __str__(self) -> str:
        return f"Row {self.number}"

    @property
    def messages(self) -> list[dict[str, str]]:
        """The conversation as role and content."""
        return messages_of(self.contents, has_system=self.has_system)


def messages_of(contents: Sequence[str], *, has_system: bool) -> list[dict[str, str]]:
    """Texts in turn as messages: the system's first when there is one, then user and assistant."""
    turns = contents[1:] if has_system else contents
    messages = [{"role": "system", "content": contents[0]}] if has_system else []
    return messages + [
        {"role": ("user", "assistant")[place % 2], "content": content} for place, content in enumerate(turns)
    ]


def compared_text(messages: Sequence[Mapping[str, str]]) -> str:
    """What of an imported conversation is compared with other texts: the user's words, and where they are too few to
    tell conversations apart, the answers with them."""
    asked = "\n".join(message["content"] for message in messages if message["role"] == "user")
    if shingles_of(asked):
        return asked
    return "\n".join(message["content"] for message in messages if message["role"] != "system")


class DatasetQuerySet(models.QuerySet["Dataset"]):
    """Selections of datasets."""

    def of_pairs(self) -> "DatasetQuerySet":
        """Those in which every example that a run learns from has a worse answer beside the better one."""
        learnt = Example.objects.filter(dataset=models.OuterRef("pk")).exclude(split=Split.TEST)
        return self.filter(models.Exists(learnt), ~models.Exists(learnt.filter(rejected="")))


class Dataset(BackgroundWork):
    """Examples from cleared rounds or from imports, split by patient, hashed and frozen once done."""

    TASK = "training.tasks.freeze_dataset"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="datasets")
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=KindName.choices, blank=True, help_text="Empty: imported.")
    instruction = models.TextField(
        blank=True, help_text="What the model is asked to do: the variable “instruction”; empty: each has its own."
    )
    template = models.ForeignKey(
        PromptTemplate, null=True, on_delete=models.PROTECT, related_name="datasets",
        help_text="None: the instruction as the system message, then the note.",
    )  # fmt: skip
    prompt = models.JSONField(default=dict, help_text="training.prompts.Prompt: the template with its examples.")
    seed = models.PositiveIntegerField(default=new_seed)
    train_share = models.FloatField(default=0.8)
    validation_share = models.FloatField(default=0.1)
    rounds = models.ManyToManyField(Round, through="DatasetRound", related_name="datasets")
    imports = models.ManyToManyField(DatasetImport, related_name="datasets")
    n_train = models.PositiveIntegerField(default=0)
    n_validation = models.PositiveIntegerField(default=0)
    n_test = models.PositiveIntegerField(default=0)
    n_patients = models.PositiveIntegerField(default=0)
    excluded = models.JSONField(default=list, help_text="[reason, n] of items left out.")
    stopped_by = models.JSONField(default=list, help_text="training.named_rows.NamedRow that stopped the freeze.")
    manifest = models.JSONField(default=dict, help_text="File name -> {sha256, n_rows}, and how it was made.")
    sha256 = models.CharField(max_length=64, blank=True, help_text="Of the canonical manifest.")
    card = models.TextField(blank=True, help_text="README.md of the archive, written from the manifest.")
    archive_sha256 = models.CharField(max_length=64, blank=True, help_text="Of the zip with everything.")
    archive_bytes = models.PositiveBigIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="dataset_number"),
            models.CheckConstraint(
                condition=models.Q(train_share__gt=0, validation_share__gt=0)
                & models.Q(train_share__lt=1 - models.F("validation_share")),
                name="dataset_shares",
            ),
        ]

    def __str__(self) -> str:
        return f"Dataset {self.number}: {self.title}"

    @property
    def is_imported(self) -> bool:
        """Whether it is made of imported rows instead of rounds."""
        return not self.kind


class DatasetRound(models.Model):
    """That a round went into a dataset, on the strength of which measured agreement."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="sources")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="+")
    agreement = models.ForeignKey(
        Agreement, null=True, on_delete=models.PROTECT, related_name="+",
        help_text="None for gold labels of a source and for kinds without an agreement statistic.",
    )  # fmt: skip

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "round"], name="dataset_round_once")]


class Split(models.TextChoices):
    TRAIN = "TRAIN", "Train"
    VALIDATION = "VALIDATION", "Validation"
    TEST = "TEST", "Test (held out)"


class Example(models.Model):
    """One training example: the messages that a model sees, from one item or one imported row."""

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="examples")
    number = models.PositiveIntegerField()
    split = models.CharField(max_length=10, choices=Split.choices)
    item = models.ForeignKey(Item, null=True, on_delete=models.PROTECT, related_name="+")
    imported = models.ForeignKey(ImportedExample, null=True, on_delete=models.PROTECT, related_name="+")
    patient = models.ForeignKey(Patient, on_delete=models.PROTECT, related_name="+")
    messages = models.JSONField(help_text='[{"role", "content"}]: system, user, assistant.')
    rejected = models.TextField(blank=True, help_text="The worse answer to the same question, in preference data.")
    is_shot = models.BooleanField(
        default=False, help_text="Stands, with its answer, before every question; nothing is learnt from it."
    )
    sha256 = models.CharField(max_length=64)

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="example_number"),
            models.UniqueConstraint(fields=["dataset", "item"], name="example_item_once"),
            models.UniqueConstraint(fields=["dataset", "imported"], name="example_imported_once"),
            models.CheckConstraint(
                condition=models.Q(item=None, imported__isnull=False) | models.Q(item__isnull=False, imported=None),
                name="example_one_source",
            ),
            models.CheckConstraint(condition=models.Q(is_shot=False) | models.Q(split="TRAIN"), name="example_shot"),
        ]
        indexes = [models.Index(fields=["dataset", "split"], name="example_split")]

    def __str__(self) -> str:
        return f"Example {self.number}"

    @property
    def text(self) -> str:
        """The note that it was made from, or what of an imported row is compared with other texts."""
        return self.item.note.text if self.item else compared_text(self.messages)

    @property
    def answer(self) -> str:
        """What is learnt last."""
        return str(self.messages[-1]["content"])


class BaseModel(GpuWork):
    """A local folder with the weights that runs start from; its digest and facts are read in the background.

    `is_demo` rows are built on the spot by the worker instead of being found in a folder.
    """

    TASK = "training.tasks.register_base_model"

    name = models.CharField(max_length=120, unique=True)
    folder = models.CharField(max_length=255, help_text="Relative to the folder of models of this site.")
    licence = models.CharField(max_length=120, blank=True)
    note = models.TextField(blank=True)
    is_demo = models.BooleanField(default=False)
    facts = models.JSONField(default=dict, help_text="As `training.engine.base_model` read them.")
    sha256 = models.CharField(max_length=64, blank=True)
    n_parameters = models.PositiveBigIntegerField(default=0)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def page(self) -> str:
        return reverse("base-model-detail", kwargs={"pk": self.pk})


class Sweep(models.Model):
    """Runs on one dataset that differ in base model, rank, learning rate or seed, started together to be compared."""

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="sweeps")
    number = models.PositiveIntegerField()
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="sweeps")
    axes = models.JSONField(help_text="What varies: name of a setting, or base_model -> its values, in order.")
    forecast = models.JSONField(help_text="As `training.forecast.SweepForecast` gave it when it was started.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="sweep_number")]

    def __str__(self) -> str:
        return f"Sweep {self.number}"


class Method(models.TextChoices):
    SFT = "SFT", "Fine-tuning (SFT)"
    DPO = "DPO", "Preference tuning (DPO)"


class Run(GpuWork):
    """One training of an adapter: everything that changes its result, and what came of it."""

    TASK = "training.tasks.train_run"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="runs")
    number = models.PositiveIntegerField()
    method = models.CharField(max_length=10, choices=Method.choices, default=Method.SFT)
    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="runs")
    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="runs")
    start_adapter = models.ForeignKey(
        "training.Adapter", null=True, blank=True, on_delete=models.PROTECT, related_name="continued_by",
        help_text="The adapter that preference tuning goes on from; it is also the reference.",
    )  # fmt: skip
    sweep = models.ForeignKey(Sweep, null=True, blank=True, on_delete=models.PROTECT, related_name="runs")
    config = models.JSONField(help_text="RunConfig or, of DPO, PreferenceConfig (training.engine.config).")
    machine = models.JSONField(default=dict, help_text="training.engine.config.MachineConfig; not part of identity.")
    result = models.JSONField(default=dict)
    log_tail = models.TextField(blank=True, help_text="Last lines that the trainer printed; never note text.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="run_number"),
            models.CheckConstraint(
                condition=models.Q(method="SFT", start_adapter=None)
                | models.Q(method="DPO", start_adapter__isnull=False),
                name="run_start_adapter",
            ),
        ]

    def __str__(self) -> str:
        return f"Run {self.number}"

    @property
    def page(self) -> str:
        return reverse("training:run-detail", kwargs={"slug": self.project.slug, "number": self.number})

    @property
    def is_preference(self) -> bool:
        """Whether it learns from pairs of answers: its loss is then that of the pairs, not one per learnt token."""
        return self.method == Method.DPO

    @property
    def lora(self) -> dict[str, Any]:
        """The settings of which rank and modules of the adapter come: its own, or those of the run it goes on from."""
        return self.start_adapter.lora if self.start_adapter else self.config

    @property
    def eta(self) -> timedelta | None:
        """Time left as the trainer said last, the evaluations to come included; None before its first update."""
        if self.status != WorkStatus.RUNNING:
            return None
        steps = self.events.filter(kind="step", attempt=self.attempt, values__has_key="eta_seconds")
        said = steps.order_by("-position").first()
        if said is None:
            return None
        return max(timedelta(0), timedelta(seconds=said.values["eta_seconds"]) - (timezone.now() - said.at))

    @property
    def first_loss(self) -> float | None:
        """Held-out loss before training, which is that of the model it began with; None until the run has ended."""
        return self._loss(0)

    @property
    def last_loss(self) -> float | None:
        """Held-out loss of the adapter; None until the run has ended."""
        return self._loss(-1)

    @property
    def loss_fall(self) -> float | None:
        """By which share of the first held-out loss the adapter's is lower; None until the run has ended."""
        first, last = self.first_loss, self.last_loss
        return None if not first or last is None else (first - last) / first

    def _loss(self, index: int) -> float | None:
        evaluations = self.result.get("evaluations")
        kept = [found for found in evaluations or () if index < 0 and found["step"] == self.result.get("kept_step")]
        return (kept or evaluations)[index]["loss"] if evaluations else None

    def kept_events(self, kind: str) -> list["RunEvent"]:
        """Events of one kind by step, without those that a resumed attempt did again: of each step (and of each
        sample within it) the one that was reported last."""
        events = self.events.filter(kind=kind).order_by("position")
        latest = {(event.step, event.values.get("id")): event for event in events}
        return sorted(latest.values(), key=lambda event: event.step)


class RunEvent(models.Model):
    """One line that the trainer reported: a step, an evaluation, a sample, a checkpoint."""

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="events")
    attempt = models.PositiveIntegerField()
    position = models.PositiveIntegerField(help_text="Line of the run's event file, which attempts append to.")
    kind = models.CharField(max_length=20)
    step = models.PositiveIntegerField(default=0)
    values = models.JSONField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "position"], name="run_event_once")]
        indexes = [models.Index(fields=["run", "kind", "step"], name="run_event_kind")]


class AdapterQuerySet(models.QuerySet["Adapter"]):
    def with_origin(self) -> "AdapterQuerySet":
        """With the run or import that each came from, its base model and its author, in the same query."""
        return self.select_related(
            "run__dataset", "run__base_model", "run__created_by", "imported__base_model", "imported__created_by"
        )


class Adapter(models.Model):
    """A model version, by digest: the weights that a run of this site ended in, or that came in a signed file.

    Never updated. What an imported one was trained on is known from its manifest alone: it has no run and no dataset.
    """

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="adapters")
    number = models.PositiveIntegerField()
    run = models.OneToOneField(Run, null=True, on_delete=models.PROTECT, related_name="adapter")
    imported = models.OneToOneField("AdapterImport", null=True, on_delete=models.PROTECT, related_name="adapter")
    folder = models.CharField(max_length=255, help_text="Relative to the folder of runs of this site.")
    sha256 = models.CharField(max_length=64, help_text="Of the canonical manifest: names and digests of all files.")
    manifest = models.JSONField()
    card = models.JSONField(help_text="What it was trained on, how, and what it learned, from rows.")
    registered_at = models.DateTimeField(default=timezone.now)

    objects = AdapterQuerySet.as_manager()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="adapter_number"),
            models.CheckConstraint(
                condition=models.Q(run=None, imported__isnull=False) | models.Q(run__isnull=False, imported=None),
                name="adapter_one_origin",
            ),
        ]

    def __str__(self) -> str:
        return f"Adapter {self.number}"

    @property
    def origin(self) -> "Run | AdapterImport":
        """The run that it came from, or the import."""
        origin = self.run or self.imported
        if origin is None:
            raise ValueError(f"{self} came from nowhere; a constraint of the table forbids that.")
        return origin

    @property
    def base_model(self) -> BaseModel:
        """What its weights are added to."""
        return self.origin.base_model

    @property
    def author(self) -> User:
        """Who started its run or imported it, and so has no say in its release."""
        return self.origin.created_by

    @property
    def dataset(self) -> Dataset | None:
        """What it was trained on here; None for an imported one."""
        return self.run.dataset if self.run else None

    @property
    def config(self) -> dict[str, Any]:
        """Values of RunConfig that it was trained with."""
        return self.origin.config

    @property
    def lora(self) -> dict[str, Any]:
        """The settings of which its rank and modules come, wherever in its history they were chosen."""
        return self.run.lora if self.run else self.config

    @property
    def machine(self) -> dict[str, Any]:
        """Values of MachineConfig that it was trained with; none where it was trained elsewhere."""
        return self.run.machine if self.run else {}


class AdapterImport(models.Model):
    """That an adapter came in a file, signed by whom, and what its manifest says about where it was made. Frozen."""

    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="+")
    file_name = models.CharField(max_length=255)
    file_sha256 = models.CharField(max_length=64)
    manifest = models.JSONField(help_text="As it was signed; nothing of it can be checked here but the digests.")
    config = models.JSONField(help_text="Values of RunConfig, from the manifest.")
    key_id = models.CharField(max_length=64, help_text="Of the public key that its signature was checked with.")
    signer = models.CharField(max_length=120, help_text="Name of that key at the time.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"Import of {self.file_name}"


class ExportForm(models.TextChoices):
    ADAPTER = "ADAPTER", "Adapter alone"
    MERGED = "MERGED", "Merged model"

    @property
    def meaning(self) -> str:
        """What one takes away."""
        return {
            "ADAPTER": "The weights that were learnt; to be used with the same base model.",
            "MERGED": "Base model and adapter in one, ready to be loaded; as large as the base model.",
        }[self.value]


class AdapterExport(GpuWork):
    """Files of an adapter to be taken away, with card, manifest and the signature of this site; frozen once done."""

    TASK = "training.tasks.export_adapter"

    project = models.ForeignKey(Project, on_delete=models.PROTECT, related_name="adapter_exports")
    number = models.PositiveIntegerField()
    adapter = models.ForeignKey(Adapter, on_delete=models.PROTECT, related_name="exports")
    form = models.CharField(max_length=10, choices=ExportForm.choices)
    card = models.TextField(blank=True, help_text="README.md of the archive.")
    manifest = models.JSONField(default=dict, help_text="What is in it, from what, with the digest of every file.")
    signature = models.JSONField(default=dict, help_text="DSSE envelope around the canonical manifest.")
    archive_sha256 = models.CharField(max_length=64, blank=True)
    archive_bytes = models.PositiveBigIntegerField(default=0)
    log_tail = models.TextField(blank=True, help_text="Last lines that merging printed; never note text.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["project", "number"], name="adapter_export_number")]

    def __str__(self) -> str:
        return f"Export {self.number}"

    @property
    def file_name(self) -> str:
        """What the archive is called when it is downloaded."""
        return f"adapter-{self.adapter.number}-{self.form.lower()}-{self.number}.zip"


class TrustedKey(models.Model):
    """A public key of another site, whose adapters may be imported here until it is withdrawn."""

    name = models.CharField(max_length=120, help_text="Whose it is, and how you know.")
    public_key = models.TextField(help_text="Ed25519, as PEM.")
    key_id = models.CharField(max_length=64)
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)
    withdrawn_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["key_id"], condition=models.Q(withdrawn_at=None), name="trusted_key_once"),
            models.CheckConstraint(
                condition=models.Q(withdrawn_at=None, withdrawn_by=None)
                | models.Q(withdrawn_at__isnull=False, withdrawn_by__isnull=False),
                name="trusted_key_withdrawn",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BaseModelNote(models.Model):
    """What somebody of the site has to say about a base model. Never changed."""

    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="notes")
    text = models.TextField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"Note on {self.base_model}"


class BaseModelBenchmark(models.Model):
    """How many questions of a test a base model answered rightly, and who says so from where. Never changed."""

    base_model = models.ForeignKey(BaseModel, on_delete=models.PROTECT, related_name="benchmarks")
    name = models.CharField(max_length=120)
    n_right = models.PositiveIntegerField()
    n = models.PositiveIntegerField()
    source = models.CharField(max_length=300, help_text="Where and how it was measured.")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(n__gt=0, n_right__lte=models.F("n")), name="base_model_benchmark_share"
            )
        ]

    def __str__(self) -> str:
        return self.name
