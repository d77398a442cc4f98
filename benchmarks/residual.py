"""Learned standard deviations of a Gaussian RBM against the residual's: python residual.py RUN DATA.

The residual of a pixel is v - <v | h> for h drawn given v, over the training images; pixels that hardly vary are left out.
"""

import sys

import numpy as np

import energydsl as ed

run = ed.open_run(sys.argv[1])
data = ed.load_data(run.program.model, [sys.argv[2]], "train", "none")
v = data.arrays["v"][:20_000].astype(np.float32)
h = run.program.sample(run.params, {"v": v}, "h", ed.Rng(5))
residual = np.sqrt(np.mean((v - run.program.mean(run.params, {"h": h}, "v")) ** 2, axis=0))
varies = v.std(axis=0) > 0.1
ratio = np.abs(run.params["sigma"])[varies] / residual[varies]
whole = np.sqrt(np.mean(run.params["sigma"][varies] ** 2) / np.mean(residual[varies] ** 2))
print(f"sigma / residual, root mean square over {varies.sum()} pixels: {whole:.3f}")
print(f"by pixel: median {np.median(ratio):.3f}, within 10 % on {100 * np.mean(np.abs(ratio - 1) < 0.1):.1f} %")
