//! The simulation, tested: seeds hold, runs repeat, planted bugs are found, old failures stay mended.

mod cluster;
mod planted;
mod seeds;
