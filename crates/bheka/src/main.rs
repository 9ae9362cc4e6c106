//! A monitoring daemon that speaks Icinga 2.

mod allocator;
mod api_url;
mod cli;
mod client;
mod config;
mod daemon;
mod demo;
mod host;
mod log;
mod paths;
mod screen;
mod settings;
mod storm;
mod version;

use std::process::ExitCode;

fn main() -> ExitCode {
    allocator::configure();
    cli::main(std::env::args_os().skip(1))
}
