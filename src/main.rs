//! The `telltaled` command: arguments, logging, the subcommand, its exit code.

use clap::Parser as _;
use telltale::cli;

fn main() -> std::process::ExitCode {
    let arguments = cli::Arguments::parse();
    let filter = cli::logging::start(arguments.command.is_daemon());
    match arguments.command.execute(&filter) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
