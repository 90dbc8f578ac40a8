//! The user's configuration tree: where it is, what kind it is, which file is this machine's hardware file.
