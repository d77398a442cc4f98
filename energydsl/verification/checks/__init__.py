"""The identities a derivation must satisfy, one file each: a function from a case to its checks."""
