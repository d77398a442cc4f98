#!/usr/bin/env bash
# How well do labelled and deep models learn MNIST on two cores? One of: label hybrid dbn dbm.
# Takes that name, the folder with MNIST's four idx files, and one for the run.
set -euo pipefail
what=${1:?label, hybrid, dbn or dbm} data=${2:?folder with the idx files} out=${3:?run folder}
models="$(dirname "$0")/../models"
train() { energydsl train "$models/$1.energy" --data "$data" --binarise sample --batch 100 --out "$out" --no-evaluate "${@:2}"; }
case $what in
  label) train label_rbm --epochs 100 --lr 0.1 ;;
  hybrid) train label_rbm --epochs 40 --lr 0.5 --predict y --generative 0.01 ;;
  dbn) train dbn --greedy 30,30,50 --greedy-lr 0.1 --epochs 80 --lr 0.03 --k 3 ;;
  dbm) train dbm --greedy 30 --greedy-lr 0.1 --epochs 60 --lr 0.02 --k 5 --chains 100 --positive mean-field --latent-sweeps 10 ;;
esac
case $what in
  dbm) energydsl eval "$out" --data "$data" --method ais --chains 100 --betas 20000 ;;
  *) energydsl predict "$out" --data "$data" --layer y --binarise none | head -1 ;;
esac
