"""Photos, not only crops of faces.

Find the faces, cut each out as the model was trained on, answer each.
"""

from __future__ import annotations

from collections.abc import Sequence

from components.serving.photos.face_detector import FaceDetector, cut
from components.serving.predictor.classifier import Answer, Classifier, Crop, FaceAnswer, Sent
from components.shared.images.decode import ImageRefused, Pixels, decode, to_input
from components.shared.preset import ImageSpec


class PhotoClassifier:
    """A classifier with a face detector in front.

    Answers like a `Classifier`, one answer a photo with its faces in it.

    Crops and pixels of the model's own size are answered as they are: they are a face already.
    """

    def __init__(self, classifier: Classifier, detector: FaceDetector) -> None:
        self._classifier = classifier
        self._detector = detector

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels, in the order of the probabilities."""
        return self._classifier.labels

    @property
    def image(self) -> ImageSpec:
        """What the model takes."""
        return self._classifier.image

    @property
    def version(self) -> str:
        """Version of the model."""
        return self._classifier.version

    def twin(self, threads: int) -> PhotoClassifier:
        """Return the same with runtimes of its own, so that both can answer at the same time."""
        return PhotoClassifier(self._classifier.twin(threads), FaceDetector(threads))

    def read(self, image: Sent) -> Sent:
        """Return the image as it is: a photo is decoded where its faces are cut out of it."""
        return image

    def answer(self, image: Sent) -> Answer:
        """Answer one photo: no face found is an answer too."""
        if isinstance(image, Crop) or not isinstance(image, bytes):
            return self._classifier.answer(image)
        try:
            picture = decode(image).pixels
        except ImageRefused as refused:
            return self._classifier.answer(refused)
        return Answer(faces=tuple(self._faces(picture)), version=self.version)

    def answers(self, images: Sequence[Sent]) -> list[Answer]:
        """Answer photos one after the other."""
        return [self.answer(image) for image in images]

    def _faces(self, picture: Pixels) -> list[FaceAnswer]:
        answers = []
        for face in self._detector.detect(picture):
            box = face.square(self.image.crop_margin)
            pixels = to_input(cut(picture, box), self.image)
            answers.append(
                FaceAnswer(box, round(face.score, 4), self._classifier.answer(pixels), pixels)
            )
        return answers


# What answers images, with or without a detector in front.
Answering = Classifier | PhotoClassifier
