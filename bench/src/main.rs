//! `cargo run --release -p bheka-bench -- --help`

mod config;
mod generate;
mod median;
mod phases;
mod storm;

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The allocator of the daemon.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Generates large configurations and measures Bheka beside Icinga 2.
#[derive(Parser)]
#[command(name = "bheka-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Write a large configuration into a directory
    Generate {
        /// The directory
        directory: PathBuf,
        #[command(flatten)]
        size: generate::Size,
    },
    /// Validate large trees with Icinga 2 and with Bheka in turns, and compare time and memory
    Config(config::Options),
    /// Let a fleet of simulated agents come over Icinga 2 and Bheka in turns, and compare
    Storm(storm::Options),
    /// The least that a master has to do for its agents; `storm` runs it
    #[command(hide = true)]
    Bare(storm::bare::Options),
    /// Load a tree in this process and say how long each phase takes and what memory is in use
    Phases {
        /// The directory that `generate` wrote
        directory: PathBuf,
        /// Threads
        #[arg(long, default_value_t = 2)]
        threads: usize,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Task::Generate { directory, size } => {
            generate::write(&directory, size)?;
            println!(
                "{} objects in {}; check them with: daemon -C -c {}/icinga2.conf -D NodeName={}",
                generate::objects(size),
                directory.display(),
                directory.display(),
                generate::NODE
            );
            Ok(())
        }
        Task::Config(options) => config::run(&options),
        Task::Storm(options) => storm::run(&options),
        Task::Bare(options) => storm::bare::run(&options),
        Task::Phases { directory, threads } => phases::run(&directory, threads),
    }
}
