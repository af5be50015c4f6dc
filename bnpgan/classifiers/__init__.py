"""Classifiers of images: what they see is what distances are measured in, and what they name counts modes."""

from bnpgan.classifiers.base import Channels, Classifier, suited
from bnpgan.classifiers.convolutional import Convolutional
from bnpgan.classifiers.inception import Inception
from bnpgan.classifiers.resnet import CIFARResNet
from bnpgan.classifiers.trained import accuracy, load_classifier, save_classifier, train_classifier

__all__ = [
    "CIFARResNet",
    "Channels",
    "Classifier",
    "Convolutional",
    "Inception",
    "accuracy",
    "load_classifier",
    "save_classifier",
    "suited",
    "train_classifier",
]
