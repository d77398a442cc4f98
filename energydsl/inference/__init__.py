"""Log-partition estimators and evaluation."""
