#!/usr/bin/env bash
# How well do labelled and deep models learn MNIST on two cores? One of: label hybrid dbn dbm gaussian.
# Takes that name, the folder with MNIST's four idx files, and one for the run; dbn also a run of `hybrid`, to judge its samples.
set -euo pipefail
what=${1:?label, hybrid, dbn, dbm or gaussian} data=${2:?folder with the idx files} out=${3:?run folder}
here="$(dirname "$0")"
train() { energydsl train "$here/../models/$1.energy" --data "$data" --batch 100 --no-evaluate "${@:2}"; }
errors() { energydsl predict "$out" --data "$data" --layer y --binarise none | sed -n 1p; }
case $what in
  label)
    train label_rbm --out "$out" --binarise sample --epochs 100 --lr 0.1
    errors ;;
  hybrid)
    train label_rbm --out "$out" --binarise sample --epochs 40 --lr 0.5 --predict y --generative 0.01
    errors ;;
  dbn) # a stack, wake-sleep, and wake-sleep with persistent chains in the core, which then dreams as well as it knows
    train dbn --out "$out/first" --binarise sample --greedy 30,30,50 --greedy-lr 0.1 --epochs 80 --lr 0.03 --k 3
    train dbn --out "$out" --binarise sample --start "$out/first" --epochs 40 --lr 0.03 --k 5 --chains 100 --seed 1
    errors
    python "$here/legible.py" "$out" "${4:?run of hybrid}" "$out/labels.png" ;;
  dbm) # no greedy start: the centred gradient from base rates, at a rate low enough to keep every latent
    train dbm --out "$out" --binarise sample --validation 0.02 --chains 100 --positive mean-field --latent-sweeps 4 \
      --centred --epochs 200 --lr 0.02 --k 1
    energydsl eval "$out" --data "$data" --method ais --chains 100 --betas 20000 ;;
  gaussian)
    train gaussian_rbm -D I=784 -D J=200 --out "$out" --binarise none --method cd --epochs 150 --lr 0.005
    python "$here/residual.py" "$out" "$data" ;;
esac
