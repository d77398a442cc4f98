"""Auxiliary units: energies of forms as layers of latents, and latents summed out again."""
