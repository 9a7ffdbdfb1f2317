"""FER2013, seven classes, 48x48 gray: the best accuracy that two CPU cores reach in 40 minutes.

    make run PRESET=fer2013-fast DATA=path/to/fer2013.zip

A small residual network whose first convolution has stride 2; SGD with Nesterov momentum in one cycle (Smith and
Topin 2018), weight decay, label smoothing, an average of weights, small shifts, turns and erased rectangles; the
served file averages each image with its mirror image.

Not run.
"""

from components.contracts.preset import (
    Augmentation,
    DataPolicy,
    GatePolicy,
    ImageSpec,
    Preset,
    Stage,
    TrainingPolicy,
    ValidationPolicy,
)

FER2013_FAST = Preset(
    name="fer2013-fast",
    model_name="fer2013",
    summary="FER2013, seven classes, 48x48 gray; the best that two CPU cores reach in 40 minutes",
    data=DataPolicy(taxonomy="basic-7", image=ImageSpec(48, 48, 1), validation_share=0.05),
    validation=ValidationPolicy(max_reject_rate=0.01, min_train_per_class=100, min_test_per_class=50),
    training=TrainingPolicy(
        architecture="fer2013-fast",
        stages=(Stage(epochs=28, optimizer="sgd", learning_rate=0.1, schedule="cosine", patience=28, warmup_epochs=3, weight_decay=0.005),),
        batch_size=128,
        augmentation=Augmentation(flip=True, rotation_degrees=8, zoom=0.08, shift=0.08, erasing=0.25),
        label_smoothing=0.1,
        dropout=0.3,
        average_weights=0.998,
        test_time_augmentation="flip",
    ),
    gate=GatePolicy(min_accuracy=0.5, min_macro_f1=0.4, first_model="promote"),
)
