"""FER2013 in folders, seven classes, 48x48 gray: a CNN of 38 layers in blocks.

    make run PRESET=fer2013-deep-cnn DATA=path/to/fer2013.zip

The published model: 38 layers in convolutional blocks A and B and a fully connected block
(convolution, batch norm, ReLU, pooling, dropout), 60 epochs. Published: 64.02 % on unseen data. The
exact arrangement isn't published; ours stands in components/training/models/deep_cnn.py. Optimizer,
augmentation and dropout are ours too.

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

FER2013_DEEP_CNN = Preset(
    name="fer2013-deep-cnn",
    model_name="fer2013",
    summary="FER2013, seven classes, 48x48 gray; 38 layers in blocks, 60 epochs",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(48, 48, 1)),
    validation=ValidationPolicy(
        max_reject_rate=0.01, min_train_per_class=100, min_test_per_class=50
    ),
    resampling=ResamplingPolicy(strategy="none"),
    training=TrainingPolicy(
        architecture="fer2013-deep-cnn",
        stages=(
            Stage(epochs=60, optimizer="adam", learning_rate=1e-3, schedule="plateau", patience=60),
        ),
        batch_size=64,
        augmentation=Augmentation(flip=True, rotation_degrees=10, zoom=0.1, shift=0.1),
        dropout=0.5,
        device="gpu",
    ),
    gate=GatePolicy(min_accuracy=0.5, min_macro_f1=0.4, first_model="promote"),
)
