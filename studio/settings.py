"""Every choice of a run, in one flat frozen dataclass.

Each field says where its default comes from, with the labels of docs/method.md:
[paper] stated in arXiv:2602.04337; [sister] stated in arXiv:2602.04340; [DeFT] read in DeFT's code;
[inferred] a deduction; [studio] this project's own choice, measured in docs/lab-notes.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studio import choices
from studio.choices import Choices, Described, choice

PAPER: dict[str, str] = {
    "templates": "plain",
    "k_cap": "false",
    "transduction": "off",
    "prior_correction": "0",
    "leave_out_strangers": "false",
    "adapted_stages": "0",
    "complement": "uniform",
    "phase1_lr": "0.03",
    "phase1_clip": "0",
    "phase1_resolution": "1",
    "phase1_views": "0",
    "rounds": "3",
    "filter": "peer_clean",
    "label_weights": "hard",
    "first_label_weight": "0",
    "train_near_chance": "true",
    "phase2_epochs": "10",
    "phase2_optimizer": "sgd",
    "phase2_lr": "0.0005",
    "phase2_resolution": "1",
    "head_init": "random",
    "head_lr_factor": "1",
    "weight_average": "1",
    "label_smoothing": "0",
    "crop_scale": "0.08",
    "epoch_images": "0",
}
"""preset=paper: what the paper states, and where it is silent what its sister, DeFT and CoOp do;
docs/method.md says which is which. Everything else is the same in both presets.
"""


@dataclass(frozen=True)
class Settings(Choices):
    """All settings of a run. Defaults are one fixed configuration for every data set."""

    seed: int = choice(
        0, "studio", "Seed of everything random; model 1 and 2 derive their own from it.", low=0
    )
    preset: str = choice(
        "studio",
        "studio",
        "What `--set` starts from: this project's choices, or the paper's and its ancestor's.",
        options=("studio", "paper"),
    )
    templates: str = choice(
        "model",
        "studio",
        "Prompt templates of the zero-shot labels: the model's own, or a named set.",
        options=("model", "name", "plain", "ensemble"),
    )

    micro_batch: int = choice(
        0,
        "studio",
        "Images of a batch in memory at a time; results stay the same (0 = 16 on the CPU; 64 on a "
        "GPU, and where Phase I trains the last stages only).",
        low=0,
    )

    epoch_images: int = choice(
        50_000,
        "studio; paper: 0",
        "Most images of an epoch of either phase; of more, each epoch takes others, as many of "
        "each class (0 = all images in each epoch).",
        low=0,
    )

    # Seed set (paper, Section 3.1)
    k: int = choice(
        16, "inferred (UPL, GRIP, CPL)", "Most confident images of each class, its seeds.", low=1
    )
    k_cap: bool = choice(
        True,
        "studio",
        "At most half of the images labelled as a class are its seeds; none if those are few.",
    )
    seed_selection: str = choice(
        "argmax_topk",
        "paper wording",
        "Whether a class that is short of its own images fills up with others (leaderboard).",
        options=("argmax_topk", "leaderboard"),
    )
    transduction: str = choice(
        "all",
        "studio (TransCLIP); paper: off",
        "When all images are labelled together: before and after Phase I, only before, or never.",
        options=("all", "first", "off"),
    )
    given_evidence: float = choice(
        20.0,
        "studio (Tip-Adapter)",
        "Log odds that a given label adds to its class for images that look the same.",
        low=0,
    )
    anchor: float = choice(
        32.0,
        "studio (StatA)",
        "Labelling together: pseudo-images that hold each class at its zero-shot mean where names "
        "seem to be missing from the folder, so that they take no images (0 = free everywhere, as "
        "in TransCLIP).",
        low=0,
    )
    prior_correction: float = choice(
        0.25,
        "studio; paper: 0",
        "Power of the mean prediction that seeds' probabilities are divided by.",
        low=0,
        high=1,
    )
    consensus_model: str = choice(
        "",
        "studio (SOTA); paper: none",
        "Another model whose opinion of the images counts in the first labels: any of "
        "`python -m studio models`, or image-only, timm:ARCHITECTURE=FILE.safetensors (empty: "
        "none).",
    )
    leave_out_strangers: bool = choice(
        True,
        "studio",
        "No seeds of images that are, by strong evidence, of none of the classes.",
    )

    # Dual prompts and visual adapter (paper, Section 3.1)
    n_ctx: int = choice(16, "sister, DeFT", "Context vectors per prompt (M).", low=1, high=32)
    class_specific_context: bool = choice(
        False, "paper notation", "One context per class instead of a shared one."
    )
    ctx_init_std: float = choice(
        0.02, "DeFT", "Standard deviation of the initial context vectors.", low=0
    )
    vpt: str = choice(
        "deep",
        "DeFT",
        "Visual prompt tokens in every block or before the first.",
        options=("deep", "shallow"),
    )
    n_visual_tokens: int = choice(
        20, "sister, DeFT", "Visual prompt tokens (per block when deep).", low=1, high=200
    )
    adapted_stages: int = choice(
        2,
        "studio",
        "Convolutional towers: how many of the last stages get scale-and-shift (0 = all).",
        low=0,
    )

    # Losses
    l2_weight: float = choice(1.0, "DeFT", "lambda, the weight of the negative loss L2.", low=0)
    l2_grad_visual: bool = choice(True, "paper", "The gradient of L2 reaches the visual side.")
    l2_grad_positive: bool = choice(
        True, "inferred", "The gradient of L2 reaches the positive prompt."
    )
    complement: str = choice(
        "hard",
        "studio; paper: uniform",
        "How the complement label is drawn.",
        options=("uniform", "hard", "prob_weighted"),
    )
    complement_top: int = choice(
        5, "inferred", "complement=hard draws among this many likeliest other classes.", low=1
    )

    # Phase I
    phase1_epochs: int = choice(
        10, "DeFT", "Epochs over the seed set; small sets get more, see phase1_min_steps.", low=0
    )
    phase1_min_steps: int = choice(
        60, "inferred", "Floor on Phase I steps, for tiny seed sets.", low=0
    )
    phase1_batch: int = choice(64, "DeFT, sister", "Batch size.", low=2)
    phase1_lr: float = choice(0.1, "studio", "Learning rate of SGD.", low=0)
    phase1_optimizer: str = choice("sgd", "sister", "Optimiser.", options=("sgd", "adamw"))
    phase1_clip: float = choice(
        1.0,
        "studio",
        "Largest norm of the texts' gradient, and of the images' (0 = any); many classes or a "
        "small tau diverged without.",
        low=0,
    )
    phase1_resolution: float = choice(
        0.71,
        "studio",
        "Phase I image size of convolutional towers, as a share of the model's own.",
        low=0.25,
        high=1,
    )
    phase1_views: int = choice(
        2,
        "studio",
        "Augmented views cached per seed on towers with frozen stages (0 = fresh views).",
        low=0,
    )
    momentum: float = choice(0.9, "DeFT", "Momentum of SGD, both phases.", low=0, high=0.999)
    weight_decay: float = choice(5e-4, "DeFT", "Weight decay, both phases.", low=0)

    # Rounds of Phase I (paper, Section 3.3; method coft+ only)
    rounds: int = choice(
        1, "studio; paper: several", "CoFT+: rounds of Phase I, each from fresh models.", low=1
    )
    round_score: str = choice(
        "softmax",
        "paper wording",
        "CoFT+: what ranks a model's own labels for the next round.",
        options=("softmax", "p_clean", "product"),
    )

    train_near_chance: bool = choice(
        False,
        "studio; paper: true",
        "CoFT trains although the names seem to mean nothing to the model; else its zero-shot "
        "labels are kept.",
    )

    # Collaboration (paper, Section 3.2.1)
    first_label_weight: float = choice(
        1.0,
        "studio; paper: 0",
        "What the first labels count beside each model's own probabilities after Phase I (0 = "
        "nothing).",
        low=0,
    )
    filter: str = choice(
        "peer_clean_and_argmax_agree",
        "studio, DeFT; paper: peer_clean",
        "Whose judgement makes a label clean.",
        options=(
            "peer_clean", "peer_clean_and_argmax_agree", "self_clean", "both_clean", "agree",
            "none",
        ),
    )  # fmt: skip
    label_weights: str = choice(
        "neighbours",
        "studio; paper: hard",
        "Phase II learns every label, weighted by its clean probability (soft), or by that times "
        "the share of similar images with the same label (neighbours), or the clean ones only "
        "(hard).",
        options=("soft", "hard", "neighbours"),
        formerly=("belief",),
    )

    # Phase II (paper, Section 3.2.2)
    phase2_epochs: int = choice(
        2, "studio", "Epochs over the clean set (0 = stop after Phase I).", low=0
    )
    phase2_batch: int = choice(64, "DeFT", "Batch size.", low=2)
    phase2_optimizer: str = choice(
        "auto",
        "inferred (WiSE-FT, MUST); DeFT: sgd",
        "Optimiser; auto is AdamW for transformers and SGD for convolutional towers.",
        options=("auto", "sgd", "adamw"),
    )
    phase2_lr: float = choice(
        0.0,
        "studio",
        "Learning rate of the visual encoder (0 = the optimiser's: 3e-4 of SGD, 3e-5 of AdamW).",
        low=0,
    )
    phase2_layer_decay: float = choice(
        1.0,
        "inferred (BEiT, MUST)",
        "Transformers: learning rate of a block over that of the block behind it.",
        low=0.1,
        high=1,
    )
    phase2_frozen_patches: bool = choice(
        False, "inferred (MoCo v3)", "Transformers: the patch embedding does not train."
    )
    phase2_clip: float = choice(
        0.0, "inferred", "Largest norm of the gradient of encoder and head (0 = any).", low=0
    )
    phase2_model: str = choice(
        "",
        "paper, Table 3",
        "Model that Phase II fine-tunes and the run ships, e.g. a smaller one (empty: the same).",
    )
    phase2_init: str = choice(
        "pretrained",
        "inferred",
        "Where the visual encoder starts.",
        options=("pretrained", "phase1"),
    )
    phase2_data: str = choice(
        "own",
        "paper notation",
        "Which clean set a model trains on.",
        options=("own", "swapped", "union", "intersection"),
    )
    head_input: str = choice(
        "pre_proj", "DeFT", "Features under the new head.", options=("pre_proj", "post_proj")
    )
    head_init: str = choice(
        "probe",
        "studio",
        "Initial head: random, from the class texts, or a linear probe of the clean set.",
        options=("random", "text", "probe"),
    )
    head_lr_factor: float = choice(
        10.0, "studio", "Learning rate of the head over that of the encoder.", low=0
    )
    weight_average: float = choice(
        0.5,
        "studio",
        "Share of the fine-tuned weights in the shipped ones; the rest is where they started.",
        low=0.01,
        high=1,
    )
    label_smoothing: float = choice(
        0.1, "studio", "Label smoothing of Phase II's cross-entropy.", low=0, high=0.9
    )
    phase2_resolution: float = choice(
        0.86,
        "studio",
        "Phase II image size of convolutional towers, as a share of the model's own.",
        low=0.25,
        high=1,
    )
    crop_scale: float = choice(
        0.5, "studio", "Smallest area of a random crop, as a share of the image.", low=0.05, high=1
    )

    # Momentum contrast in Phase II (paper, Section 3.3; method coft+ only)
    contrast_weight: float = choice(
        0.1, "inferred", "CoFT+: gamma, the weight of the contrastive loss (0 = off).", low=0
    )
    contrast_momentum: float = choice(
        0.99, "inferred (MoCo)", "CoFT+: mu of the momentum encoder.", low=0, high=1
    )
    contrast_queue: int = choice(
        4096,
        "inferred",
        "CoFT+: most keys in the queue; at most N / 4 of them, but never fewer than a batch.",
        low=1,
    )
    contrast_temperature: float = choice(
        0.1, "inferred (MoCo)", "CoFT+: temperature tau' of the contrast.", low=0.001
    )

    # Baselines (studio/baselines); what is not here is fixed by the published method
    upl_prompts: int = choice(
        4, "studio; UPL: 16", "UPL: contexts whose scores are averaged.", low=1
    )
    grip_rounds: int = choice(
        10, "GRIP", "IFPL, GRIP: rounds of labels, each from a fresh prompt.", low=1
    )
    fixmatch_threshold: float = choice(
        0.7, "MUST", "FixMatch: probability from which a label is learned.", low=0, high=1
    )
    fixmatch_momentum: float = choice(
        0.99,
        "MUST",
        "FixMatch: largest momentum of its teacher, a mean of students.",
        low=0,
        high=1,
    )

    # Inference and display
    inference: str = choice(
        "ensemble",
        "inferred",
        "Mean of both classifiers, or the first alone.",
        options=("ensemble", "single"),
    )
    monitor_images: int = choice(
        128, "studio", "Images that both models label after each epoch, for the curves.", low=0
    )

    def in_epoch(self, images: int) -> int:
        """How many of so many images an epoch takes."""
        return min(images, self.epoch_images or images)

    @classmethod
    def from_overrides(cls, overrides: Mapping[str, str]) -> Settings:
        """A preset (`preset=paper`), or else the defaults, with some values replaced by text.

        Raises:
            SettingsError: an unknown name or an illegal value; lists all of them.
        """
        base = PAPER if overrides.get("preset", "").strip() == "paper" else {}
        return super().from_overrides({**base, **cls.by_current_name(overrides)})


def describe() -> list[Described]:
    """All settings in order, for `python -m studio settings` and the page."""
    return choices.describe(Settings)
