//! Nodes with the real decision code under virtual time and a faulty network
