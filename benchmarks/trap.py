"""The trap of a uniform start: an RBM 784-500 trained by CD-1 on MNIST, judged from uniform units and from the data's base rates.

python benchmarks/trap.py FOLDER [--epochs 20] [--betas 1000 10000]

FOLDER holds MNIST's idx files. Annealing from uniform units may miss what weighs most in a model and then makes its data look
likelier than they are (Burda, Grosse & Salakhutdinov 2015, table 1); walks back from samples of the model are to tell. Every
line printed is what `energydsl eval` says.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace

import energydsl as ed
from energydsl.inference.told import describe
from energydsl.program.initialise import base_rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--betas", type=int, nargs="+", default=[1000, 10_000])
    given = parser.parse_args()

    model = ed.zoo("rbm", dims={"J": 500})
    rows = ed.load_data(model, [given.folder], binarise="none")
    test = ed.load_data(model, [given.folder], "test", binarise="sample")
    # The usual recipe of its day (Hinton 2010): weight decay, momentum, a constant rate.
    optimizer = ed.SGD(lr=0.1, momentum=0.9, weight_decay=2e-4, schedule="constant")
    since = time.perf_counter()
    run = ed.train(model.compile(), rows, ed.CD(k=1), optimizer, epochs=given.epochs, batch=100, validation=0.0)
    print(f"CD-1, {given.epochs} epochs, {time.perf_counter() - since:.0f} s")
    starts = {
        "uniform units": replace(run, base={"v": base_rate(run.program.engine, "v", None)}, chains={}),
        "base rates of the data": replace(run, chains={}),
    }
    for betas in given.betas:
        for name, start in starts.items():
            since = time.perf_counter()
            for method in ("ais", "auto") if betas == given.betas[-1] else ("auto",):
                found = ed.evaluate(start, test, method, betas=betas)
                took = time.perf_counter() - since
                print(f"\nfrom {name}, {betas:,} temperatures, {method}, {took:.0f} s")
                print(describe(found.as_dict(), "test"), flush=True)


if __name__ == "__main__":
    main()
