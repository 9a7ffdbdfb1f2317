"""FER2013, seven classes, 48x48 gray: the best single model for a GPU.

    make run PRESET=fer2013 DATA=path/to/fer2013.zip

A wide residual network; SGD with Nesterov momentum in one cycle, weight decay, label smoothing,
mixup, erased rectangles, an average of weights, 16-bit arithmetic; the served file averages each
image with its mirror image.

Not run.
"""

from components.shared.preset import (
    Augmentation,
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    ResamplingPolicy,
    Stage,
    TrainingPolicy,
    ValidationPolicy,
)

FER2013 = Preset(
    name="fer2013",
    model_name="fer2013",
    summary="FER2013, seven classes, 48x48 gray; the best single model for a GPU",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(48, 48, 1), validation_share=0.05),
    validation=ValidationPolicy(
        max_reject_rate=0.01, min_train_per_class=100, min_test_per_class=50
    ),
    resampling=ResamplingPolicy(
        strategy="none"
    ),  # a long training learns rare classes without: see fer2013-fast
    training=TrainingPolicy(
        architecture="fer2013-wide",
        stages=(
            Stage(
                epochs=150,
                optimizer="sgd",
                learning_rate=0.1,
                schedule="cosine",
                patience=150,
                warmup_epochs=5,
                weight_decay=0.005,
            ),
        ),
        batch_size=128,
        augmentation=Augmentation(
            flip=True,
            rotation_degrees=12,
            zoom=0.15,
            shift=0.1,
            brightness=0.05,
            contrast=0.2,
            erasing=0.5,
            mixup=0.2,
        ),
        label_smoothing=0.1,
        dropout=0.4,
        average_weights=0.999,
        test_time_augmentation="flip",
        precision="mixed",
        device="gpu",
    ),
    gate=GatePolicy(
        min_accuracy=0.6, min_macro_f1=0.55, max_model_bytes=80_000_000, first_model="promote"
    ),
)
