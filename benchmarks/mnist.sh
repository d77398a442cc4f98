#!/usr/bin/env bash
# What log-likelihood does a 784-500 RBM reach on MNIST in ten minutes of training on two cores?
# Takes the folder with MNIST's four idx files, and one for the run.
set -euo pipefail
data=${1:?folder with the idx files} out=${2:?run folder}
energydsl train "$(dirname "$0")/../models/rbm.energy" --data "$data" --binarise sample --method pcd --batch 128 \
  --chains 128 --epochs 200 --lr 0.05 --validation 0.02 --out "$out" --no-evaluate
energydsl eval "$out" --data "$data" --method ais --chains 100 --betas 10000
