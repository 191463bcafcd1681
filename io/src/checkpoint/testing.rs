//! A file system that fails.
