"""Happy or not, 256x256 colour: three convolutions, one hidden layer, dropout.

    make run PRESET=happy-binary DATA=path/to/folders

The published model: folders training, validation and testing; pixels from 0 to 1; conv 32, 64, 128
with max pooling, dense 128, dropout 0.5, softmax 2; adam, batch 32, 30 epochs; a model that exists
is used again instead of trained. Published: 68.18 % on test. Here a champion of the same
architecture, labels and input is taken again; `emotion run --force` trains anew.

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
)

HAPPY_BINARY = Preset(
    name="happy-binary",
    model_name="happy-binary",
    summary="Happy or not, 256x256 colour; three convolutions; takes an existing model again",
    data=DataPolicy(taxonomy="happy-binary", image=ImageSpec(256, 256, 3)),
    resampling=ResamplingPolicy(strategy="none"),
    training=TrainingPolicy(
        architecture="happy-cnn",
        stages=(Stage(epochs=30, optimizer="adam", learning_rate=1e-3, patience=30),),
        batch_size=32,
        augmentation=Augmentation(flip=False),
        dropout=0.5,
        reuse_model=True,
        device="gpu",
    ),
    gate=GatePolicy(
        min_accuracy=0.6, min_macro_f1=0.55, max_model_bytes=80_000_000, first_model="promote"
    ),
)
