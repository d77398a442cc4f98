"""Are digits drawn with a label held still that digit after long chains? python legible.py RUN JUDGE PICTURE [SWEEPS]

JUDGE is another run that tells labels from images (`deep.sh hybrid`). A row a label, twenty chains each.
"""

import sys

import numpy as np
from PIL import Image

import energydsl as ed
from energydsl.inference.predict import predict

run, judge = ed.open_run(sys.argv[1]), ed.open_run(sys.argv[2])
steps = int(sys.argv[4]) if len(sys.argv) > 4 else 5000
shares, rows = [], []
for label in range(10):
    y = np.full(20, label)
    v = ed.sample(run, n=20, steps=steps, clamp={"y": y}, seed=label)["v"]
    shares.append(float(np.mean(predict(judge, {"v": v, "y": y}, "y").predicted == label)))
    rows.append(np.concatenate(list(v.reshape(20, 28, 28)), axis=1))
Image.fromarray((255 * np.concatenate(rows)).astype(np.uint8)).save(sys.argv[3])
print(f"recognised after {steps} sweeps: {100 * np.mean(shares):.1f} %; by label {np.round(shares, 2).tolist()}")
