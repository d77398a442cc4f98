"""The functions of a layer for Numba."""

from __future__ import annotations

from energydsl.backends.fused_layers import moments_of
from energydsl.backends.numba.form_scans import kernel_of
from energydsl.backends.numpy.layers import means_function
from energydsl.backends.numpy.steps import align
from energydsl.backends.running_layers import RunningLayers
from energydsl.backends.text import Lines, listed
from energydsl.domains.scalar import Scalar
from energydsl.kernels.program import BATCH, Contract, FormScan, LayerKernels, Section, Step, scaled_layer


class NumbaLayers(RunningLayers):
    """The shared text, with kernels of Numba."""

    def means(self, layer: LayerKernels) -> Lines:
        """The moments of a layer from the state, by the kernel that draws it where they may wait for the end of a region."""
        if not layer.straight:
            return super().means(layer)
        body = [f"    moments = {moments_of(layer)}", *self.drawn(layer, "None", "None")]
        return means_function(layer.layer, body)

    def before(self, layer: LayerKernels, number: int, step: Step, section: Section) -> Lines | None:
        """A layer times parameters, which may wait for the end of a region as its product does; or what is computed from parameters alone."""
        if not layer.straight or not isinstance(step, Contract):
            return None
        room = f"{step.out}:{layer.layer}:{number}"
        if BATCH not in step.letters:
            return [f'    {step.out} = once("{room}", p, s, lambda: {self.steps.contract(step, section, {})})']
        found = scaled_layer(step)
        assert found is not None, "the layer is straight"
        whole, factor = found
        value = align(self.steps.access(factor, section, {}), factor.letters, step.letters[1:])
        shape = listed(tuple(high - low for low, high in map(section.sizes.__getitem__, step.letters[1:])))
        return [f'    {step.out} = scaled({self.steps.array(whole)}, {value}, w("{room}", (rows(x), {shape})))']

    def kernel_of(self, scan: FormScan, sample: Scalar, groups: list[int]) -> tuple[str, Lines]:
        """The kernel of a scan for Numba."""
        return kernel_of(scan, sample, groups)
