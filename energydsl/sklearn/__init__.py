"""Estimators for scikit-learn over models of energydsl: latent features, densities, classes (the `sklearn` extra)."""

from energydsl.diagnostics import EnergyError

try:
    import sklearn as _  # noqa: F401  whether it is there
except ModuleNotFoundError:
    raise EnergyError('estimators need scikit-learn: pip install "energydsl[sklearn]"') from None

from energydsl.sklearn.classifier import EnergyClassifier as EnergyClassifier
from energydsl.sklearn.density import EnergyDensity as EnergyDensity
from energydsl.sklearn.features import EnergyTransformer as EnergyTransformer

__all__ = ["EnergyClassifier", "EnergyDensity", "EnergyTransformer"]
