//! Runs one command line: spawn, pipes, timeout, kill
